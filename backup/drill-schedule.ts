import { readFile } from "node:fs/promises";
import { drill } from "./drill.ts";
import type { DrillReport } from "./drill-record.ts";
import type { Job } from "./job.ts";
import type { Layout } from "./paths.ts";

const HOUR_MS = 3600 * 1000;

/** The verdict of the last drill on this VM; null before the first. */
export async function readDrillReport(layout: Layout): Promise<DrillReport | null> {
  try {
    return JSON.parse(await readFile(layout.drillReport, "utf8")) as DrillReport;
  } catch {
    return null;
  }
}

/** Whether a drill is due: there was none for a day, or for an hour where the last one did not pass. */
export function isDrillDue(last: DrillReport | null, now: Date): boolean {
  if (last === null) return true;
  const age = now.getTime() - Date.parse(last.started);
  return age < 0 || age >= (last.outcome === "passed" ? 24 : 1) * HOUR_MS;
}

/** One drill a day beside the backups, which do not wait for it. */
export class DailyDrill {
  readonly #open: () => Promise<Job>;
  #running: Promise<void> | undefined;

  /** @param open gives each drill a job of its own */
  constructor(open: () => Promise<Job>) {
    this.#open = open;
  }

  /** Begins one if it is due and none runs. */
  async beginIfDue(): Promise<void> {
    if (this.#running !== undefined) return;
    const job = await this.#open();
    if (!isDrillDue(await readDrillReport(job.layout), job.effects.now())) return;
    this.#running = drill(job)
      .then(
        ({ outcome, seconds }) => job.effects.report(`drill: ${outcome} in ${seconds.toFixed(1)} s`),
        (error: unknown) => job.effects.report(`drill: ${(error as Error).message}`),
      )
      .finally(() => (this.#running = undefined));
  }

  /** Resolves when none runs any more. */
  async ended(): Promise<void> {
    await this.#running;
  }
}
