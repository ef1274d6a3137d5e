import { createHash } from "node:crypto";
import { EXIT, UserError } from "../errors.ts";
import { quoteWord, sshArguments, type SshTarget } from "../ssh-target.ts";
import { lastLine, type Finished, type Run, type RunOptions } from "./exec.ts";

/** What ssh itself exits with when it never got as far as the remote command. */
export const SSH_FAILED = 255;

/**
 * Runs a command on the VM over the system's ssh.
 *
 * @param where first part of the message when the VM cannot be used, e.g. `preflight`
 * @throws UserError (unreachable) that tells apart: no way to the VM, another machine's host key, login refused
 */
export async function runOnVm(
  run: Run,
  where: string,
  target: SshTarget,
  command: string,
  options?: RunOptions,
): Promise<Finished> {
  // At the level ERROR, ssh keeps to itself why the two ends could not agree on a host key.
  const finished = await run("ssh", ["-o", "LogLevel=INFO", ...sshArguments(target), command], options);
  if (finished.exitCode === SSH_FAILED) throw connectionError(where, target, finished.stderr);
  return finished;
}

/** A command line for the other host's shell that runs as root there; the words stay as they are. */
export function rootCommand({ user }: SshTarget, argv: readonly string[]): string {
  return [...(user === "root" ? [] : ["sudo", "-n"]), ...argv].map(quoteWord).join(" ");
}

/** Turns ssh's words into what is wrong and what to do. */
export function connectionError(where: string, target: SshTarget, stderr: string): UserError {
  const destination = `${target.user}@${target.address}:${target.port}`;
  const refuse = (what: string, hint: string) =>
    new UserError(`${where}: ${destination}: ${what}`, hint, EXIT.unreachable);
  if (/host key verification failed|no matching host key type/i.test(stderr)) {
    const type = keyFileType(target.hostKey);
    const sent = /SHA256:[A-Za-z0-9+/]{43}/.exec(stderr)?.[0] ?? "none of that type";
    return refuse(
      `the pinned host key is ${fingerprint(target.hostKey)}, it presents ${sent}`,
      `compare on the VM's console: ssh-keygen -lf /etc/ssh/ssh_host_${type}_key.pub\n` +
        "only if the VM was rebuilt: pulumi config set --path foundation:host.hostKey " +
        `"$(ssh-keyscan -t ${type} -p ${target.port} ${target.address} | cut -d" " -f2-)"`,
    );
  }
  if (/permission denied/i.test(stderr)) {
    return refuse(
      "login refused",
      `put your public key there and load the private one into the agent: ssh-add, then ssh -p ${target.port} ` +
        `${target.user}@${target.address} true`,
    );
  }
  const reason = lastLine(stderr)?.replace(/^ssh: /, "") ?? "ssh gave no reason";
  return refuse(reason, `is the VM up, and can it be reached from here? nc -vz ${target.address} ${target.port}`);
}

/** As `ssh-keygen -l` prints it: `SHA256:…`, with the key's type. */
export function fingerprint(hostKey: string): string {
  const [type = "", blob = ""] = hostKey.split(" ");
  const digest = createHash("sha256").update(Buffer.from(blob, "base64")).digest("base64").replace(/=+$/, "");
  return `SHA256:${digest} (${type})`;
}

function keyFileType(hostKey: string): string {
  if (hostKey.startsWith("ecdsa-")) return "ecdsa";
  return hostKey.startsWith("ssh-rsa") ? "rsa" : "ed25519";
}
