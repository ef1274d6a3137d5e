import { join } from "node:path";
import type { Paths } from "./paths.ts";

/** Name of the stack and of the project, as in every URN. */
export const STACK = "sandbox";
export const DOMAIN = "foundation.test";

/** Files of one sandbox. All are private to the user who made it, and all go with `destroy`. */
export interface SandboxFiles {
  readonly config: string;
  readonly keys: string;
  readonly keyFile: string;
  readonly passphrase: string;
  readonly recoveryKey: string;
  /** state of the embedded engine */
  readonly state: string;
  /** file backend of the real Pulumi */
  readonly pulumi: string;
  /** certificate authority of the sites, PEM */
  readonly certificate: string;
  readonly lock: string;
}

export function sandboxFiles({ sandbox }: Paths): SandboxFiles {
  return {
    config: join(sandbox, `Pulumi.${STACK}.yaml`),
    keys: join(sandbox, "keys"),
    keyFile: join(sandbox, "keys", `${STACK}.key.json`),
    passphrase: join(sandbox, "passphrase"),
    recoveryKey: join(sandbox, "recovery-key"),
    state: join(sandbox, "state.json"),
    pulumi: join(sandbox, "pulumi"),
    certificate: join(sandbox, "ca.crt"),
    lock: join(sandbox, "rig"),
  };
}
