import { EXIT, UserError, type ExitCode } from "../../errors.ts";
import type { Change } from "./diff.ts";
import type { Operation } from "./plan.ts";
import type { Redactor } from "./redactor.ts";

/** What a message is about. */
export interface Subject {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
}

/** Something worth telling, as it happens. Values in `changes` bear their marks of secrecy; to be shown by formatChange. */
export type EngineEvent =
  /** a preview's finding */
  | {
      readonly kind: "planned";
      readonly operation: Operation;
      readonly subject: Subject;
      readonly changes: readonly Change[];
      readonly reasons: readonly string[];
    }
  /** a step began; `seconds` is above 0 in the reminders that come while it takes long */
  | { readonly kind: "started"; readonly operation: Operation; readonly subject: Subject; readonly seconds: number }
  | { readonly kind: "done"; readonly operation: Operation; readonly subject: Subject; readonly seconds: number }
  | { readonly kind: "failed"; readonly failure: Failure }
  /** not tried, because of a failure or an interruption before */
  | { readonly kind: "skipped"; readonly subject: Subject; readonly because: string }
  /** left in place and forgotten */
  | { readonly kind: "retained"; readonly subject: Subject };

/** What went wrong with one resource; without a subject, with the program itself. Redacted. */
export interface Failure {
  readonly subject: Subject | undefined;
  readonly message: string;
  readonly hint: string;
  readonly exitCode: ExitCode;
}

/** One step of the digest. */
export interface StepRecord extends Subject {
  /** undefined where it was not found out: what it depends on is missing */
  readonly operation: Operation | undefined;
  readonly status: "planned" | "done" | "failed" | "skipped";
  readonly seconds: number;
}

/** Number of resources by what became of them. Components are not counted: nothing is made for them. */
export type Changes = Record<Operation, number>;

const REMIND_AFTER_MILLISECONDS = 10_000;

/** Keeps account of a run and tells its listener what happens. */
export class Journal {
  readonly changes: Changes = { create: 0, update: 0, replace: 0, delete: 0, same: 0 };
  readonly steps: StepRecord[] = [];
  readonly failures: Failure[] = [];
  readonly #redactor: Redactor;
  readonly #tell: (event: EngineEvent) => void;
  readonly #startedAt = performance.now();

  constructor(redactor: Redactor, tell: (event: EngineEvent) => void) {
    this.#redactor = redactor;
    this.#tell = tell;
  }

  get durationSeconds(): number {
    return (performance.now() - this.#startedAt) / 1000;
  }

  same(): void {
    this.changes.same += 1;
  }

  planned(operation: Operation, subject: Subject, changes: readonly Change[], reasons: readonly string[]): void {
    this.changes[operation] += 1;
    this.#record(operation, subject, "planned", 0);
    this.#tell({ kind: "planned", operation, subject: only(subject), changes, reasons });
  }

  skipped(subject: Subject, because: string): void {
    this.#record(undefined, subject, "skipped", 0);
    this.#tell({ kind: "skipped", subject: only(subject), because });
  }

  /** Forgotten without touching it. Counts as deleted: it is not there for the program any more. */
  retained(subject: Subject): void {
    this.changes.delete += 1;
    this.#record("delete", subject, "done", 0);
    this.#tell({ kind: "retained", subject: only(subject) });
  }

  /**
   * Runs a step and reports its beginning, that it still runs, and its end. Failures are left to {@link failed}.
   *
   * @param counts false for a step that is a part of another one
   */
  async step<T>(operation: Operation, subject: Subject, action: () => Promise<T>, counts = true): Promise<T> {
    const startedAt = performance.now();
    const seconds = (): number => (performance.now() - startedAt) / 1000;
    const started = (): void => {
      this.#tell({ kind: "started", operation, subject: only(subject), seconds: seconds() });
    };
    this.#tell({ kind: "started", operation, subject: only(subject), seconds: 0 });
    const reminder = setInterval(started, REMIND_AFTER_MILLISECONDS);
    try {
      const result = await action();
      if (counts) this.changes[operation] += 1;
      this.#record(operation, subject, "done", seconds());
      this.#tell({ kind: "done", operation, subject: only(subject), seconds: seconds() });
      return result;
    } catch (error) {
      this.#record(operation, subject, "failed", seconds());
      throw error;
    } finally {
      clearInterval(reminder);
    }
  }

  /** @param subject undefined for the program itself */
  failed(subject: Subject | undefined, error: unknown): void {
    const { message, hint, exitCode } = explain(error);
    const failure = {
      subject: subject && only(subject),
      message: this.#redactor.clean(message),
      hint: this.#redactor.clean(hint),
      exitCode,
    };
    this.failures.push(failure);
    this.#tell({ kind: "failed", failure });
  }

  #record(operation: Operation | undefined, subject: Subject, status: StepRecord["status"], seconds: number): void {
    this.steps.push({ operation, ...only(subject), status, seconds: Math.round(seconds * 1000) / 1000 });
  }
}

function only({ urn, type, name }: Subject): Subject {
  return { urn, type, name };
}

/** An error that is no UserError, and does not wrap one for Pulumi's sake, is a defect; its stack is what helps then. */
function explain(error: unknown): { message: string; hint: string; exitCode: ExitCode } {
  if (error instanceof UserError) return error;
  if (error instanceof Error && error.cause instanceof UserError) return error.cause;
  // As the program hands it to Pulumi: run-error.ts.
  if (error instanceof Error && error.cause instanceof UserError) return error.cause;
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { message, hint: "this is a defect of the program or of the engine; please report it", exitCode: EXIT.failed };
}
