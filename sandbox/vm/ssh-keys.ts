import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { SshTarget } from "../../ssh-target.ts";
import type { Rig } from "../rig.ts";

/** One generated key: private file, and the public half as `ssh-ed25519 AAAA…`. */
export interface SshKey {
  readonly file: string;
  readonly publicKey: string;
}

/**
 * The sandbox's own key of this name, generated on first use. The operator's key opens every VM; host keys exist before
 * the VM does, so that there is something to pin.
 */
export async function ensureKey({ exec, paths }: Rig, name: string): Promise<SshKey> {
  const directory = join(paths.sandbox, "ssh");
  const file = join(directory, name);
  if (!existsSync(file) || !existsSync(`${file}.pub`)) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    rmSync(file, { force: true });
    await exec(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", `foundation-sandbox-${name}`, "-f", file]);
  }
  const publicKey = readFileSync(`${file}.pub`, "utf8").trim().split(" ").slice(0, 2).join(" ");
  return { file, publicKey };
}

/** How a VM is reached, once its host key exists. */
export async function sshTarget(rig: Rig, machine: string, address: string): Promise<SshTarget> {
  const { publicKey } = await ensureKey(rig, `host-${machine}`);
  return { address, user: "root", port: 22, hostKey: publicKey };
}
