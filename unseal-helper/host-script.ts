import { EXIT, type ExitCode, UserError } from "../errors.ts";
import { sshArguments, type SshTarget } from "../ssh-target.ts";
import { type ChildEnvironment, run } from "./exec.ts";

/** OpenSSH's own exit code for a connection that failed; the other one is a shell's for a program that is not there. */
const SSH_FAILED = [255, 127];

/**
 * Runs a script of this directory as root on the VM, fed through ssh so that nothing is left there.
 *
 * @param words arguments; nothing in them may have a meaning to a shell
 * @returns its output without the last line end
 * @throws UserError with the script's message, hint and exit code; (unreachable) where ssh does not get through
 */
export async function runHostScript(
  target: SshTarget,
  env: ChildEnvironment,
  args: { script: string; words: readonly string[]; timeoutSeconds: number },
): Promise<string> {
  const { script, words, timeoutSeconds } = args;
  // The remote shell splits this line.
  for (const word of words) if (!/^[\w+/= .-]+$/.test(word)) throw new Error(`bad argument ${word}`);
  const quoted = words.map((word) => (/^[\w.-]+$/.test(word) ? word : `'${word}'`));
  const remote = `${sudo(target)}timeout ${timeoutSeconds} bash -s -- ${quoted.join(" ")}`.trimEnd();
  const options = { env, input: script, timeoutSeconds: timeoutSeconds + 30 };
  const { code, stdout, stderr } = await run(["ssh", ...sshArguments(target), remote], options);
  if (code === 0) return stdout.trimEnd();
  throw SSH_FAILED.includes(code) ? unreachable(target, code, stderr) : scriptError(code, stderr);
}

/** What makes a command on the VM one of root's. */
export function sudo({ user }: SshTarget): string {
  return user === "root" ? "" : "sudo -n ";
}

/** The error for an ssh that did not get through. */
export function unreachable({ address, user, port }: SshTarget, code: number, stderr: string): UserError {
  if (stderr.includes("Host key verification failed")) {
    return new UserError(
      `vm ${address}: shows another host key than the pinned one`,
      `compare: ssh-keyscan -p ${port} ${address}; a VM that was rebuilt on purpose needs its new key pinned`,
      EXIT.unreachable,
    );
  }
  const reason = code === 127 ? "there is no ssh program" : stderr.split("\n").at(-1) || `ssh ended with ${code}`;
  return new UserError(
    `vm ${address}: cannot be reached: ${reason}`,
    `ssh -p ${port} ${user}@${address}`,
    EXIT.unreachable,
  );
}

function scriptError(code: number, stderr: string): UserError {
  const [, message, hint] = /^(.+)\nhint: (.+)$/m.exec(stderr) ?? [];
  const known = (Object.values(EXIT) as number[]).includes(code) ? (code as ExitCode) : EXIT.failed;
  if (message !== undefined && hint !== undefined) return new UserError(message, hint, known);
  const reason = stderr.replace(/\s+/g, " ").slice(0, 300);
  return new UserError(`vm: a host script ended with ${code}: ${reason}`, "docker ps -a (on the VM)", EXIT.failed);
}
