import { EXIT, UserError } from "../errors.ts";
import type { SshTarget } from "../ssh-target.ts";

/**
 * Reads `user@host:port` of a command line; `root` and 22 where they are left out.
 *
 * @param where first part of messages, the command
 * @param option that it was given with
 * @throws UserError (usage)
 */
export function parseTarget(where: string, option: string, text: string, hostKey: string): SshTarget {
  const match = /^(?:([a-z_][a-z0-9_-]*)@)?([A-Za-z0-9][A-Za-z0-9.-]*)(?::(\d{1,5}))?$/.exec(text);
  const [, user = "root", address, port = "22"] = match ?? [];
  if (address === undefined)
    throw new UserError(`${where}: not a host: ${text}`, `${option} user@host:port`, EXIT.usage);
  if (!/^(ssh-ed25519|ecdsa-sha2-nistp256|ssh-rsa) [A-Za-z0-9+/]{60,}={0,2}$/.test(hostKey))
    throw new UserError(
      `${where}: not a public host key: ${hostKey}`,
      `it is on the printed runbook; or, from a network that you trust: ssh-keyscan -t ed25519 -p ${port} ${address}`,
      EXIT.usage,
    );
  return { user, address, port: Number(port), hostKey };
}
