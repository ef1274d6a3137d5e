import type { RepositoryFile, Snapshot } from "./snapshot.ts";

const HOUR_SECONDS = 3600;
/** Between a snapshot's own time and that of its file lies the capture, and the difference of two clocks. */
const TOLERANCE_SECONDS = HOUR_SECONDS;
/** Nothing is newer than now, but for the difference of two clocks. */
const FUTURE_SECONDS = 300;
const HOST = "foundation";
/** A set; or a marker, which names its set and says whether something is missing in it. */
const TAGS = /^(set|commit set-[0-9a-f]{64}( degraded)?)$/;

/**
 * Files among the snapshots that are none: restic passes over them when it lists, and stops at them when it restores.
 *
 * @param snapshots as restic lists them
 * @param files of the directory `snapshots`, whose names are the ids
 */
export function findUnreadable(snapshots: readonly Snapshot[], files: readonly RepositoryFile[]): RepositoryFile[] {
  const listed = new Set(snapshots.map(({ id }) => id));
  // Other names are uploads that were never finished; restic does not look at them.
  return files.filter(({ name }) => /^[0-9a-f]{64}$/.test(name) && !listed.has(name));
}

/** A snapshot that a prune must not trust. */
export interface Suspicion {
  readonly id: string;
  readonly reason: string;
}

/**
 * Finds snapshots that were not made by the backup job at the time that they say. Who has the VM's credential cannot
 * delete anything, but can add snapshots with forged times, and a prune that believes them would drop the good ones in
 * their favour. The time of the file on the offsite's disk cannot be forged from the VM.
 *
 * @param snapshots as restic lists them
 * @param files of the directory `snapshots`, whose names are the ids
 * @param nowSeconds of the offsite
 */
export function findSuspicious(
  snapshots: readonly Snapshot[],
  files: readonly RepositoryFile[],
  nowSeconds: number,
): Suspicion[] {
  const written = new Map(files.map(({ name, seconds }) => [name, seconds]));
  return snapshots.flatMap((snapshot) => {
    const reason = suspicionOf(snapshot, written.get(snapshot.id), nowSeconds);
    return reason === undefined ? [] : [{ id: snapshot.id, reason }];
  });
}

function suspicionOf(snapshot: Snapshot, written: number | undefined, now: number): string | undefined {
  const { hostname, seconds, tags } = snapshot;
  if (written === undefined) return "has no file on the offsite";
  if (seconds > now + FUTURE_SECONDS) return `is from the future: ${show(seconds)}`;
  if (Math.abs(written - seconds) > TOLERANCE_SECONDS) return `says ${show(seconds)}, and was written ${show(written)}`;
  if (hostname !== HOST) return `is of host ${hostname}, not ${HOST}`;
  if (!TAGS.test(tags.join(" "))) return `has the tags ${tags.join(", ") || "of nobody"}`;
  return undefined;
}

const show = (seconds: number): string => new Date(Math.round(seconds) * 1000).toISOString().replace(".000", "");
