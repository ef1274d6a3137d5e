import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { replaceFile } from "./files.ts";
import type { Layout } from "./paths.ts";

const degradation = z.object({ part: z.string(), reason: z.string() });
const lastRun = z.object({
  run: z.string(),
  started: z.string(),
  finished: z.string(),
  /** degraded: a set was committed in which something is missing or older; failed: there is no set */
  outcome: z.enum(["committed", "degraded", "failed"]),
  degraded: z.array(degradation),
  /** why it failed, and what to do about it */
  reason: z.string().optional(),
  hint: z.string().optional(),
  seconds: z.record(z.string(), z.number()),
  addedBytes: z.number().optional(),
  files: z.number().optional(),
  bytes: z.number().optional(),
});
const schema = z.object({
  version: z.literal(1),
  vmId: z.string(),
  everyMinutes: z.number(),
  last: lastRun.nullable(),
  /** newest set that this VM has committed */
  commit: z.object({ run: z.string(), snapshot: z.string(), finished: z.string() }).nullable(),
  /** when the repository's data was last read and compared, and what came of it */
  check: z.object({ finished: z.string(), part: z.string(), reason: z.string().optional() }).nullable(),
  /** what the last look for files of the mirrors that nothing needs came to */
  collection: z
    .object({
      finished: z.string(),
      removed: z.number(),
      bytes: z.number(),
      /** of no use any more, and kept for a while */
      waiting: z.number(),
      /** why it stopped */
      reason: z.string().optional(),
    })
    .nullable()
    .default(null),
  /** on a VM that began with a backup: whether its stores are all of that one */
  rebuilt: z
    .object({ finished: z.string(), snapshot: z.string(), stores: z.array(z.string()), problems: z.array(z.string()) })
    .nullable()
    .default(null),
});

/** What is known of the backups, kept between runs. */
export type Status = z.infer<typeof schema>;
/** How a run ended. */
export type LastRun = z.infer<typeof lastRun>;

/** The status as it was last written; a new one where there is none. */
export async function readStatus(layout: Layout, plan: { vmId: string; everyMinutes: number }): Promise<Status> {
  const { vmId, everyMinutes } = plan;
  const none: Status = {
    version: 1,
    vmId,
    everyMinutes,
    last: null,
    commit: null,
    check: null,
    collection: null,
    rebuilt: null,
  };
  try {
    const known = schema.parse(JSON.parse(await readFile(layout.status, "utf8")));
    return known.vmId === vmId ? { ...known, everyMinutes } : none;
  } catch {
    return none;
  }
}

/** Keeps the status, and tells the container's health check until when it holds good. */
export async function writeStatus(layout: Layout, status: Status, now: Date): Promise<void> {
  await mkdir(dirname(layout.status), { recursive: true });
  await replaceFile(layout.status, `${JSON.stringify(status, undefined, 2)}\n`);
  await replaceFile(layout.healthyUntil, `${String(Math.floor(healthyUntil(status, now).getTime() / 1000))}\n`);
}

/**
 * Until when a foundation with this status counts as backed up: for two intervals after the newest set. A run that
 * failed says at once that something is wrong; before the first one has ended, nothing is.
 */
export function healthyUntil({ last, commit, everyMinutes }: Status, now: Date): Date {
  if (last?.outcome === "failed") return new Date(0);
  const since = commit ? new Date(commit.finished) : now;
  return new Date(since.getTime() + 2 * everyMinutes * 60_000);
}

/** What `status` shows; `healthy` is what the container's health check says. */
export function describeStatus(status: Status, now: Date) {
  const ageSeconds = status.commit ? Math.round((now.getTime() - Date.parse(status.commit.finished)) / 1000) : null;
  return { ...status, ageSeconds, healthy: healthyUntil(status, now) > now };
}
