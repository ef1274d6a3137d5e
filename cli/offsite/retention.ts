import type { Snapshot } from "./snapshot.ts";

const DAY_SECONDS = 86_400;
/** Everything that is younger stays. */
const ALL_DAYS = 14;
/** One backup a day stays, the last one. */
const DAILY_DAYS = 60;
/** One backup a week stays, the last one. */
const WEEKLY_DAYS = 366;

/** What a prune does with the snapshots, by id. */
export interface RetentionPlan {
  readonly keep: readonly string[];
  readonly forget: readonly string[];
}

/**
 * Which snapshots go: the windows of restic's `--keep-within 14d --keep-within-daily 60d --keep-within-weekly 1y`, applied
 * to backups instead of snapshots. restic would thin out the sets and the markers that make them backups separately, and
 * could keep the marker of one and the set of another. A marker names its set by the tag `set-ID`.
 *
 * @param snapshots oldest first; both kinds, markers with the tag `commit`
 * @param nowSeconds of the offsite
 */
export function planRetention(snapshots: readonly Snapshot[], nowSeconds: number): RetentionPlan {
  const keep = new Set<string>();
  const periods = new Set<string>();
  for (const { id, seconds, tags } of snapshots.toReversed()) {
    const ageDays = (nowSeconds - seconds) / DAY_SECONDS;
    if (ageDays <= ALL_DAYS) keep.add(id);
    if (!tags.includes("commit")) continue;
    const names = periodsOf(seconds, ageDays);
    if (ageDays <= ALL_DAYS || names.some((name) => !periods.has(name))) {
      for (const kept of [id, ...tags.flatMap((tag) => /^set-(.+)$/.exec(tag)?.[1] ?? [])]) keep.add(kept);
    }
    for (const name of names) periods.add(name);
  }
  const ids = snapshots.map(({ id }) => id);
  return { keep: ids.filter((id) => keep.has(id)), forget: ids.filter((id) => !keep.has(id)) };
}

/** The days and weeks of which a backup can be the last one, as far as its age allows. */
function periodsOf(seconds: number, ageDays: number): string[] {
  const day = Math.floor(seconds / DAY_SECONDS);
  // Weeks begin on Monday; 1970-01-01 was a Thursday.
  const week = Math.floor((day + 3) / 7);
  return [
    ...(ageDays <= DAILY_DAYS ? [`day ${String(day)}`] : []),
    ...(ageDays <= WEEKLY_DAYS ? [`week ${String(week)}`] : []),
  ];
}
