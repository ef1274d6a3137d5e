import type { BackupSource } from "./backup-source.ts";
import { CANARY } from "./forgejo-backup.ts";
import { ENDPOINTS, S3_REGION, type VolumeName } from "./topology.ts";

/** What the plan says besides what the components declare. */
export interface PlanArgs {
  readonly owner: string;
  readonly vmId: string;
  readonly everyMinutes: number;
  readonly offsite: {
    readonly url: string;
    readonly username: string;
    readonly region?: string;
    readonly keyHint?: string;
  };
  /** the backups are those of another VM, which goes on with them */
  readonly readOnly?: boolean;
  readonly sources: readonly BackupSource[];
}

/** Where a volume is mounted for the backup: `forgejo-data` at /sources/forgejo. */
export function sourcePath(volume: VolumeName): string {
  return `/sources/${volume.replace(/-data$/, "")}`;
}

/** plan.json: what to back up, the same list for backup, restore and drill. */
export function backupPlan({ owner, vmId, everyMinutes, offsite, readOnly, sources }: PlanArgs): string {
  const trees = sources
    .flatMap(({ volumes }) => volumes)
    .flatMap((source) => {
      if (source.by !== "files") return [];
      const { volume, git, exclude = [] } = source;
      return [{ volume, path: sourcePath(volume), git, exclude }];
    });
  const plan = {
    version: 1,
    owner,
    vmId,
    everyMinutes,
    offsite: { url: offsite.url, username: offsite.username, region: offsite.region, keyHint: offsite.keyHint },
    readOnly,
    endpoints: {
      postgres: ENDPOINTS.postgres,
      s3: `http://${ENDPOINTS.s3}`,
      vault: `http://${ENDPOINTS.vault}`,
      forge: `http://${ENDPOINTS.forgejo}`,
    },
    canary: CANARY,
    s3Region: S3_REGION,
    databases: sources.flatMap(({ databases = [] }) => databases),
    buckets: sources.flatMap(({ buckets = [] }) => buckets),
    trees,
  };
  return `${JSON.stringify(plan, undefined, 2)}\n`;
}
