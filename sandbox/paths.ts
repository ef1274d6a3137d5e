import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Where the rig keeps what it makes. Nothing of it is inside the work tree. */
export interface Paths {
  /** the checkout */
  readonly project: string;
  /** built things by content hash; safe to delete, costs time only */
  readonly cache: string;
  /** this sandbox: SSH keys, Pulumi config, key file, state, passphrase; removed by `destroy` */
  readonly sandbox: string;
  /** ready-made archives of parts, if any */
  readonly readyMade: string | undefined;
}

/** Reads the variables of the XDG base directory convention and the rig's own two. */
export function findPaths(environment: Readonly<Record<string, string | undefined>>, project: string): Paths {
  const home = environment["HOME"] || homedir();
  const cacheHome = environment["XDG_CACHE_HOME"] || join(home, ".cache");
  const stateHome = environment["XDG_STATE_HOME"] || join(home, ".local", "state");
  const readyMade = environment["FOUNDATION_PARTS_DIR"];
  return {
    project,
    cache: join(cacheHome, "foundation"),
    sandbox: resolve(environment["FOUNDATION_SANDBOX_DIR"] || join(stateHome, "foundation", "sandbox")),
    readyMade: readyMade ? resolve(readyMade) : undefined,
  };
}
