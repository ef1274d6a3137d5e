import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { EXIT, UserError, type ExitCode } from "../errors.ts";
import type { Job } from "./job.ts";
import { size } from "./progress.ts";
import { makeSet, type Committed, type Timings } from "./run.ts";
import { readStatus, writeStatus, type LastRun, type Status } from "./status.ts";

/** A deployment holds the lock for as long as it changes what is backed up. */
const LOCK_SECONDS = 1800;

/** A run, and the set that it has made. */
export interface Outcome {
  readonly last: LastRun;
  readonly committed?: Committed;
}

/**
 * One run: under the lock, with its outcome kept in the status whatever it is.
 *
 * @throws only what is a defect, and that after it has been recorded
 */
export async function backUp(job: Job): Promise<Outcome> {
  const { effects, layout } = job;
  await mkdir(dirname(layout.lock), { recursive: true });
  const release = await effects.lock(layout.lock, LOCK_SECONDS);
  const started = effects.now().toISOString();
  if (release === undefined) {
    const busy = new UserError("lock: somebody has held it for 30 minutes", "npx foundation backup status");
    return { last: await record(job, started, {}, failure(busy)) };
  }
  const seconds: Timings = {};
  try {
    const committed = await makeSet(job, seconds);
    const { commit, summary } = committed;
    const { addedBytes, files, bytes } = summary;
    const outcome = commit.degraded.length > 0 ? "degraded" : "committed";
    const found = { outcome, degraded: commit.degraded, addedBytes, files, bytes } as const;
    return { last: await record(job, started, seconds, found, commit.snapshot), committed };
  } catch (error) {
    const known = asUserError(error);
    const last = await record(job, started, seconds, failure(known ?? defect(error)));
    if (known === undefined) throw error;
    return { last };
  } finally {
    release();
  }
}

/** The exit code of a run. */
export function exitCodeOf({ outcome }: LastRun): ExitCode {
  return { committed: EXIT.ok, degraded: EXIT.attention, failed: EXIT.failed }[outcome];
}

/** A run in one line for a person, and its trouble in the lines below. */
export function describeRun(last: LastRun): string[] {
  const seconds = (Date.parse(last.finished) - Date.parse(last.started)) / 1000;
  const took = `${seconds.toFixed(1)} s`;
  if (last.outcome === "failed")
    return [`backup: failed after ${took}: ${last.reason ?? ""}`, `hint: ${last.hint ?? ""}`];
  const amount = `${String(last.files ?? 0)} files, ${size(last.bytes ?? 0)}, ${size(last.addedBytes ?? 0)} added`;
  const trouble = last.degraded.map(({ part, reason }) => `backup: degraded: ${part}: ${reason}`);
  return [`backup: ${last.outcome} in ${took}: ${amount}`, ...trouble];
}

type Found = Pick<LastRun, "outcome" | "degraded"> & Partial<LastRun>;

function failure({ message, hint }: UserError): Found {
  return { outcome: "failed", degraded: [], reason: message, hint };
}

async function record(job: Job, started: string, seconds: Timings, found: Found, snapshot?: string): Promise<LastRun> {
  const { effects, layout, plan, run } = job;
  const now = effects.now();
  const finished = now.toISOString();
  const last: LastRun = { run, started, finished, seconds, ...found };
  const former = await readStatus(layout, plan);
  const commit: Status["commit"] = snapshot === undefined ? former.commit : { run, snapshot, finished };
  await writeStatus(layout, { ...former, last, commit }, now).catch((error: unknown) => {
    // The disk may be full; then the log is where the outcome is.
    effects.report(`backup: status: ${String((error as NodeJS.ErrnoException).code ?? error)}`);
  });
  for (const line of describeRun(last)) effects.report(line);
  return last;
}

function asUserError(error: unknown): UserError | undefined {
  if (error instanceof UserError) return error;
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new UserError("disk: full", "on the VM: df -h /var/lib/docker");
  }
  if (code === "EACCES" || code === "EROFS" || code === "EIO") {
    return new UserError(`${path ?? "disk"}: ${code}`, "on the VM: docker logs --tail 50 backup");
  }
  return undefined;
}

function defect(error: unknown): UserError {
  return new UserError(
    `a defect: ${error instanceof Error ? error.message : String(error)}`,
    "docker logs backup (on the VM)",
  );
}
