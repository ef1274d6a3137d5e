import { UserError } from "../../errors.ts";
import { lastLine, type Finished } from "../exec.ts";
import type { Shell } from "../shell.ts";
import type { Clone } from "./clone.ts";
import type { OwnForge } from "./own-forge.ts";

/** A whole history over a slow line. */
const TIMEOUT_SECONDS = 1800;
/** Ahead of every command. A pack that libcurl 7.88 of Debian 12 sent over HTTP/2 has arrived damaged. */
const SETTINGS = ["credential.helper=", "http.version=HTTP/1.1"].flatMap((setting) => ["-c", setting]);

/** The operator's git in the clone, logged in at the forge. No helper is asked, and none gets to keep the token. */
export type Git = (...args: string[]) => Promise<Finished>;

export function gitAtForge(shell: Shell, { directory }: Clone, forge: OwnForge): Git {
  const env = { ...forge.environment, GIT_TERMINAL_PROMPT: "0", LC_ALL: "C" };
  return (...args) =>
    shell.run("git", ["-C", directory, ...SETTINGS, ...args], { env, timeoutSeconds: TIMEOUT_SECONDS });
}

/**
 * What git printed.
 *
 * @throws UserError with the server's words where it has some, git's own otherwise
 */
export function answerOf(what: string, { exitCode, stdout, stderr }: Finished): string {
  if (exitCode === 0) return stdout.trim();
  const [, said = lastLine(stderr)] = /^remote: *(?:\w+: )?(\S.*?) *$/m.exec(stderr) ?? [];
  throw new UserError(
    `repository: ${what}: ${said ?? `exit code ${String(exitCode)}`}`,
    "look at the forge's log: docker logs --tail 50 forgejo on the VM",
  );
}

/**
 * Pushes what the forge lacks; all of it or nothing, and never over something else. Hooks of the clone are for the
 * operator's own pushes.
 *
 * @param refspecs without a `+`
 */
export async function push(git: Git, { url }: OwnForge, refspecs: readonly string[]): Promise<void> {
  const flags = ["--quiet", "--atomic", "--no-verify", "--no-follow-tags", "--no-signed"];
  answerOf("the push was refused", await git("push", ...flags, url, ...refspecs));
}
