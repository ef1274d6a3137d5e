import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { backUp } from "./backup.ts";
import { checkRepository } from "./check.ts";
import { replaceFile } from "./files.ts";
import { DailyDrill } from "./drill-schedule.ts";
import type { Job } from "./job.ts";
import { collectMirrors } from "./mirror-collection.ts";
import { dueCheck, isCollectionDue, nextRun } from "./schedule.ts";
import { readStatus } from "./status.ts";
import { letsIn } from "./vault.ts";

/** Until the first run has ended, a container that has just been started counts as healthy. */
const GRACE_SECONDS = 1800;
/** How long the first run of a new VM waits for Vault, which a deployment opens and configures at the same time. */
const VAULT_SECONDS = 180;
const VAULT_PAUSE_SECONDS = 2;
/** After a defect: no loop that only writes logs. */
const DEFECT_MINUTES = 5;

/** What the loop needs of the process. */
export interface Serving {
  /** a job with an id of its own for each run */
  readonly open: () => Promise<Job>;
  /** resolves at a time, or at once when the process is asked to end */
  readonly until: (time: Date) => Promise<void>;
  readonly interrupted: AbortSignal;
}

/**
 * Runs when it is time, and after a run, once a day, has restic read a part of the data and begins a drill, and once a
 * week clears the mirrors. Ends when it is asked to.
 */
export async function serve({ open, until, interrupted }: Serving): Promise<void> {
  await startHealthy(await open());
  const drills = new DailyDrill(open);
  while (!interrupted.aborted) {
    const job = await open();
    const { effects, layout, plan } = job;
    const { last } = await readStatus(layout, plan);
    const lastStarted = last === null ? null : new Date(last.started);
    const schedule = { everyMinutes: plan.everyMinutes, lastStarted, lastFailed: last?.outcome === "failed" };
    await until(nextRun(schedule, effects.now()));
    if (lastStarted === null) await vaultToOpen(job, until, interrupted);
    if (interrupted.aborted) break;
    try {
      const { last: ended } = await backUp(job);
      if (ended.outcome === "failed" || interrupted.aborted) continue;
      await checkIfDue(job);
      await collectIfDue(job);
      await drills.beginIfDue();
    } catch (error) {
      // The next run may do better; a container that always starts anew would look as if it were well.
      effects.report(error instanceof Error ? (error.stack ?? error.message) : String(error));
      await until(new Date(effects.now().getTime() + DEFECT_MINUTES * 60_000));
    }
  }
  await drills.ended();
}

/** Bounded: nobody may ever open it, and the other stores are worth a backup too. */
async function vaultToOpen(job: Job, until: Serving["until"], interrupted: AbortSignal): Promise<void> {
  const { effects } = job;
  const end = effects.now().getTime() + VAULT_SECONDS * 1000;
  while (!interrupted.aborted && effects.now().getTime() < end && !(await letsIn(job))) {
    await until(new Date(effects.now().getTime() + VAULT_PAUSE_SECONDS * 1000));
  }
}

async function startHealthy({ effects, layout }: Job): Promise<void> {
  await mkdir(dirname(layout.healthyUntil), { recursive: true });
  const until = Math.floor(effects.now().getTime() / 1000) + GRACE_SECONDS;
  await replaceFile(layout.healthyUntil, `${String(until)}\n`);
}

async function checkIfDue(job: Job): Promise<void> {
  const { effects, layout, plan } = job;
  const { check } = await readStatus(layout, plan);
  const part = dueCheck(check === null ? null : new Date(check.finished), effects.now());
  if (part !== undefined) await checkRepository(job, part);
}

async function collectIfDue(job: Job): Promise<void> {
  const { effects, layout, plan } = job;
  const { collection } = await readStatus(layout, plan);
  const last = collection === null ? null : new Date(collection.finished);
  if (isCollectionDue(last, effects.now())) await collectMirrors(job, false);
}
