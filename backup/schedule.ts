/** After a run that failed, so that a passing trouble does not cost a whole interval. */
const RETRY_MINUTES = 2;

/** What decides about the next run. */
export interface Schedule {
  readonly everyMinutes: number;
  /** start of the last run; null before the first */
  readonly lastStarted: Date | null;
  readonly lastFailed: boolean;
}

/**
 * When the next run is due, never before now. Runs are counted from start to start, so that a long one does not make
 * the interval longer.
 */
export function nextRun({ everyMinutes, lastStarted, lastFailed }: Schedule, now: Date): Date {
  if (lastStarted === null || lastStarted > now) return now;
  const minutes = lastFailed ? Math.min(RETRY_MINUTES, everyMinutes) : everyMinutes;
  return new Date(Math.max(now.getTime(), lastStarted.getTime() + minutes * 60_000));
}

/** Whether the mirrors are to be looked through: once a week. */
export function isCollectionDue(lastCollected: Date | null, now: Date): boolean {
  return lastCollected === null || now.getTime() - lastCollected.getTime() >= 7 * 24 * 3600 * 1000;
}

/** A data check a day: in four weeks every part has been read once. */
export const CHECK_PARTS = 28;

/** The part to read, `n/28`, where the last check is a day old; undefined where none is due. */
export function dueCheck(lastChecked: Date | null, now: Date): string | undefined {
  const day = 24 * 3600 * 1000;
  if (lastChecked !== null && now.getTime() - lastChecked.getTime() < day) return undefined;
  return `${String((Math.floor(now.getTime() / day) % CHECK_PARTS) + 1)}/${String(CHECK_PARTS)}`;
}
