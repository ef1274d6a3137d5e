import type { Shell } from "../shell.ts";
import { runOrFail } from "../exec.ts";
import type { Clone } from "./clone.ts";
import type { OwnForge } from "./own-forge.ts";
import type { Notice, Step } from "./step.ts";

/** Name of the remote that leads to the forge. */
export const REMOTE = "foundation";

/**
 * The clone's remote to the forge: added where it is missing, left as it is where it leads somewhere else.
 *
 * With it comes the forge's host key, which is derived, so that nobody is asked to believe one. `KnownHostsCommand` adds to
 * what other servers are known by.
 */
export async function planRemote(
  shell: Shell,
  { directory }: Clone,
  { sshUrl, url, knownHost }: OwnForge,
): Promise<{ steps: Step[]; notices: Notice[] }> {
  const setting = async (name: string) => {
    const { exitCode, stdout } = await shell.run("git", ["-C", directory, "config", "--get", name]);
    return exitCode === 0 ? stdout.trim() : undefined;
  };
  const git = (...args: string[]) => runOrFail(shell.run, "repository", "git", ["-C", directory, ...args]);
  const found = await setting(`remote.${REMOTE}.url`);
  if (found === undefined) {
    const command = await setting("core.sshCommand");
    const add = async () => {
      await git("remote", "add", REMOTE, sshUrl);
      if (command === undefined)
        await git("config", "core.sshCommand", `ssh -o 'KnownHostsCommand=/bin/echo ${knownHost}'`);
    };
    const known = { what: `core.sshCommand is yours; the forge's host key is: ${knownHost}` };
    return { steps: [{ what: `add the remote ${REMOTE}`, run: add }], notices: command === undefined ? [] : [known] };
  }
  if ([sshUrl, url, url.replace(/\.git$/, "")].includes(found)) return { steps: [], notices: [] };
  const shown = found.replace(/(?<=:\/\/)[^@/]*@/, "");
  const what = `the remote ${REMOTE} leads to ${shown}, not to ${sshUrl}`;
  return { steps: [], notices: [{ what, hint: `git remote set-url ${REMOTE} ${sshUrl}` }] };
}
