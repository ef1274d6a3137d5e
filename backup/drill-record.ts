import { EXIT, UserError, type ExitCode } from "../errors.ts";
import type { Commit } from "./commit.ts";
import type { Effects } from "./effects.ts";

/** restic's own words for trouble that is not the backup's. */
export const NOT_THE_BACKUP =
  /no space left|connection (refused|reset)|i\/o timeout|no such host|network is unreachable|EOF/i;

/** passed; failed: the backup is bad; error: the drill could not look; skipped: there was nothing to look at. */
export type Outcome = "passed" | "failed" | "error" | "skipped";

/** One step of a drill. */
export interface Phase {
  readonly name: string;
  readonly outcome: Outcome;
  /** from the beginning of the drill */
  readonly startSecond: number;
  readonly seconds: number;
  readonly detail: string;
  /** what is wrong, a line each; the first ones where there are many */
  readonly problems: readonly string[];
}

/** The verdict on a backup. */
export interface DrillReport {
  readonly version: 1;
  readonly owner: string;
  readonly outcome: Exclude<Outcome, "skipped">;
  readonly exitCode: ExitCode;
  /** ISO time */
  readonly started: string;
  readonly seconds: number;
  /** which backup; null where none was found */
  readonly backup: { readonly snapshot: string; readonly run: string; readonly finished: string } | null;
  /** of a drill from scratch: the foundation was deployed and ran */
  readonly rebuilt?: { readonly seconds: number };
  readonly phases: readonly Phase[];
}

/** What a phase has found. */
interface Found<T> {
  readonly detail: string;
  readonly problems: readonly string[];
  readonly skipped?: true;
  readonly value: T;
}

const SHOWN_PROBLEMS = 20;

/** Collects what a drill finds, phase by phase. A phase that fails does not end the drill: the next may find more. */
export class DrillRecord {
  readonly #effects: Pick<Effects, "now" | "report">;
  readonly #started: Date;
  readonly #phases: Phase[] = [];
  #exitCode: ExitCode = EXIT.ok;
  #backup: DrillReport["backup"] = null;

  constructor(effects: Pick<Effects, "now" | "report">) {
    this.#effects = effects;
    this.#started = effects.now();
  }

  /** Names the backup that is looked at. */
  of({ snapshot, run, finished }: Commit): void {
    this.#backup = { snapshot, run, finished };
  }

  /**
   * Runs a phase.
   *
   * @returns what it found out; undefined where it threw: a UserError with the exit code 1 is the backup's fault, every
   * other error keeps the drill from looking
   */
  async phase<T>(name: string, act: () => Promise<Found<T>>): Promise<T | undefined> {
    const startSecond = this.#elapsed();
    try {
      const { detail, problems, skipped, value } = await act();
      const outcome = problems.length > 0 ? "failed" : skipped ? "skipped" : "passed";
      if (outcome === "failed") this.#worsen(EXIT.failed);
      this.#add({ name, outcome, startSecond, detail, problems });
      return value;
    } catch (error) {
      if (error instanceof UserError && error.exitCode === EXIT.interrupted) throw error;
      const isVerdict = error instanceof UserError && error.exitCode === EXIT.failed;
      this.#worsen(error instanceof UserError ? error.exitCode : EXIT.host);
      const detail = (error as Error).message;
      this.#add({ name, outcome: isVerdict ? "failed" : "error", startSecond, detail, problems: [] });
      return undefined;
    }
  }

  report(owner: string): DrillReport {
    const outcomes = this.#phases.map(({ outcome }) => outcome);
    return {
      version: 1,
      owner,
      outcome: outcomes.includes("failed") ? "failed" : outcomes.includes("error") ? "error" : "passed",
      exitCode: this.#exitCode,
      started: this.#started.toISOString(),
      seconds: this.#elapsed(),
      backup: this.#backup,
      phases: this.#phases,
    };
  }

  // A verdict stands above not having been able to look.
  #worsen(code: ExitCode): void {
    if (this.#exitCode === EXIT.ok || code === EXIT.failed) this.#exitCode = code;
  }

  #add(phase: Omit<Phase, "seconds">): void {
    const seconds = Math.round((this.#elapsed() - phase.startSecond) * 10) / 10;
    const more = phase.problems.length - SHOWN_PROBLEMS;
    const problems =
      more > 0 ? [...phase.problems.slice(0, SHOWN_PROBLEMS), `and ${String(more)} more`] : phase.problems;
    this.#phases.push({ ...phase, seconds, problems });
    this.#effects.report(`drill: ${phase.name}: ${phase.outcome} (${seconds.toFixed(1)} s): ${phase.detail}`);
    for (const problem of problems) this.#effects.report(`drill: ${problem}`);
  }

  #elapsed(): number {
    return Math.round((this.#effects.now().getTime() - this.#started.getTime()) / 100) / 10;
  }
}
