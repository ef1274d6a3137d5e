import { EXIT, UserError } from "../errors.ts";
import { sshArguments, type SshTarget } from "../ssh-target.ts";
import { type ChildEnvironment, run } from "./exec.ts";
import { unreachable } from "./vault-host.ts";

/**
 * Runs a script of this directory as root on the VM, fed through ssh so that nothing is left there.
 *
 * @param words arguments; nothing in them may have a meaning to a shell
 * @returns its output
 * @throws UserError with the script's message and hint; (unreachable) where ssh does not get through
 */
export async function runHostScript(
  target: SshTarget,
  env: ChildEnvironment,
  args: { script: string; words: readonly string[]; timeoutSeconds: number },
): Promise<string> {
  const { script, words, timeoutSeconds } = args;
  if (words.some((word) => !/^[\w.-]+$/.test(word))) throw new Error(`bad words ${words.join(" ")}`);
  const sudo = target.user === "root" ? "" : "sudo -n ";
  const remote = `${sudo}timeout ${timeoutSeconds} bash -s -- ${words.join(" ")}`;
  const options = { env, input: script, timeoutSeconds: timeoutSeconds + 30 };
  const { code, stdout, stderr } = await run(["ssh", ...sshArguments(target), remote], options);
  if (code === 0) return stdout.trim();
  if (code === 255 || code === 127) throw unreachable(target, code, stderr);
  const [, message = `vm: a host script ended with ${code}`, hint = "docker ps -a (on the VM)"] =
    /^(.+)\nhint: (.+)$/m.exec(stderr) ?? [];
  throw new UserError(message, hint, code === EXIT.refused ? EXIT.refused : EXIT.failed);
}
