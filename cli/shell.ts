import type { Accompany, Attach, Pipe, Run } from "./exec.ts";

/** What a command gets from the process that it runs in; made once, by main.ts. */
export interface Shell {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** absolute path of the checkout */
  readonly projectDirectory: string;
  /** whether a person reads standard output */
  readonly isInteractive: boolean;
  /** width of the terminal in columns */
  readonly columns: number;
  readonly run: Run;
  readonly attach: Attach;
  readonly accompany: Accompany;
  readonly pipe: Pipe;
  /** aborted by Ctrl-C */
  readonly interrupted: AbortSignal;
  /** Runs another program of this repository on the same terminal; the result is its exit code. */
  readonly runScript: (script: string, args: readonly string[]) => Promise<number>;
  /** one line, or several, on standard output: the result of the command */
  print(text: string): void;
  /** one line, or several, on standard error: progress, warnings, hints */
  notice(text: string): void;
  /** Gives the process its exit code; without it, a command that throws nothing exits with 0. */
  exitWith(code: number): void;
}
