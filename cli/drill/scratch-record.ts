import type { DrillReport, Phase } from "../../backup/drill-record.ts";
import { EXIT, UserError, type ExitCode } from "../../errors.ts";

/** Collects what a drill from scratch finds, phase by phase. */
export class ScratchRecord {
  /** seconds since 1970 */
  readonly started = Date.now() / 1000;
  backup: DrillReport["backup"] = null;
  rebuilt: DrillReport["rebuilt"];
  readonly #phases: Phase[] = [];
  /** of what kept the drill from looking */
  #reason: ExitCode | undefined;
  #isLeftBehind = false;

  /** Whether there is anything that a report could say. */
  get isEmpty(): boolean {
    return this.#phases.length === 0;
  }

  /** Seconds since the beginning. */
  elapsed(): number {
    return tenths(Date.now() / 1000 - this.started);
  }

  /** Adds what others have measured. */
  add(phases: readonly Phase[]): void {
    this.#phases.push(...phases);
  }

  /** Adds a phase that has just ended. */
  passed(name: string, startSecond: number, detail: string): void {
    this.add([{ ...this.#ended(name, startSecond), outcome: "passed", detail, problems: [] }]);
  }

  /** Adds one that says that the backup is bad. */
  failed(name: string, startSecond: number, { message }: UserError): void {
    this.add([{ ...this.#ended(name, startSecond), outcome: "failed", detail: message, problems: [message] }]);
  }

  /** Adds one that kept the drill from looking. */
  error(name: string, startSecond: number, error: UserError): void {
    this.#reason ??= withoutVerdict(error).exitCode;
    this.add([{ ...this.#ended(name, startSecond), outcome: "error", detail: error.message, problems: [] }]);
  }

  /** The host that could not be cleaned up says nothing about the backup, and somebody has to see to it. */
  leftBehind(startSecond: number, { message }: Error): void {
    this.#phases.push({
      ...this.#ended("cleaning up", startSecond),
      outcome: "skipped",
      detail: message,
      problems: [],
    });
    this.#isLeftBehind = true;
  }

  report(owner: string): DrillReport {
    // A verdict stands above not having been able to look.
    const outcomes = this.#phases.map(({ outcome }) => outcome);
    const outcome = outcomes.includes("failed") ? "failed" : outcomes.includes("error") ? "error" : "passed";
    const exitCodes = {
      failed: EXIT.failed,
      error: this.#reason ?? EXIT.host,
      passed: this.#isLeftBehind ? EXIT.attention : EXIT.ok,
    };
    return {
      version: 1,
      owner,
      outcome,
      exitCode: exitCodes[outcome],
      started: new Date(this.started * 1000).toISOString(),
      seconds: this.elapsed(),
      backup: this.backup,
      ...(this.rebuilt === undefined ? {} : { rebuilt: this.rebuilt }),
      phases: this.#phases,
    };
  }

  #ended(name: string, startSecond: number): Pick<Phase, "name" | "startSecond" | "seconds"> {
    return { name, startSecond, seconds: tenths(this.elapsed() - startSecond) };
  }
}

/** The same error with an exit code that does not mean a bad backup. */
export function withoutVerdict(error: UserError): UserError {
  return error.exitCode === EXIT.failed ? new UserError(error.message, error.hint, EXIT.host) : error;
}

const tenths = (seconds: number): number => Math.round(seconds * 10) / 10;
