import { join } from "node:path";

/** Directories of the container; a test has its own. */
export interface Roots {
  /** the volume backup-data */
  readonly state: string;
  /** the delivered files: plan and credentials */
  readonly files: string;
  /** what a rebuild needs besides data, put there by the operator's machine */
  readonly kit: string;
  /** Vault's volume, of which only the marker of its initialisation is read */
  readonly vault: string;
}

/** Where everything is in the container. */
export const ROOTS: Roots = {
  state: "/var/lib/backup",
  files: "/etc/foundation",
  kit: "/kit",
  vault: "/sources/vault",
};

/**
 * What is where on the volume backup-data. These paths are also those of the snapshots, so restore and drill read them
 * from here.
 */
export function layout({ state }: Pick<Roots, "state">) {
  return {
    stage: join(state, "stage"),
    vaultSnapshot: join(state, "stage", "vault", "raft.snap"),
    vaultFacts: join(state, "stage", "vault", "vault.json"),
    dump: (database: string) => join(state, "stage", "pg", `${database}.dump`),
    globals: join(state, "stage", "pg", "globals.sql"),
    refs: join(state, "stage", "refs"),
    meta: join(state, "stage", "meta"),
    mirrors: join(state, "mirror"),
    mirror: (bucket: string) => join(state, "mirror", bucket),
    cache: join(state, "cache"),
    markers: join(state, "cache", "markers"),
    status: join(state, "state", "status.json"),
    healthyUntil: join(state, "state", "healthy-until"),
    lock: join(state, "state", "lock"),
    /** what a drill writes while it lasts */
    drill: join(state, "drill"),
    drillReport: join(state, "state", "drill.json"),
    /** the marker of the backup that this VM began with */
    restored: join(state, "state", "restored.json"),
    mirrorAbsent: (bucket: string) => join(state, "state", `absent-${bucket}.json`),
    mirrorIndex: (bucket: string) => join(state, "state", `mirror-${bucket}.json`),
  } as const;
}

/** What {@link layout} returns. */
export type Layout = ReturnType<typeof layout>;
