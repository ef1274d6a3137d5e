import type { EventEmitter } from "node:events";
import { EXIT, UserError } from "../errors.ts";
import { type ChildEnvironment, runAttached } from "./exec.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs a program at this terminal and returns its exit code. */
export type RunProgram = (command: readonly string[], environment: ChildEnvironment) => Promise<number>;

/**
 * Lets `work` come to its end, cleaning up included, although somebody wants this program to stop.
 *
 * @param signals the process
 * @param environment of the programs that `work` runs
 * @throws UserError (interrupted) when `work` is done and a signal has come meanwhile
 */
export async function uninterrupted<T>(
  signals: EventEmitter,
  environment: ChildEnvironment,
  work: (run: RunProgram) => Promise<T>,
): Promise<T> {
  const stopping = new AbortController();
  const stop = (signal: string): void => stopping.abort(signal);
  for (const signal of SIGNALS) signals.on(signal, stop);
  try {
    const result = await work((command, more) => {
      if (stopping.signal.aborted) throw interrupted();
      return runAttached(command, { ...environment, ...more }, stopping.signal);
    });
    if (stopping.signal.aborted) throw interrupted();
    return result;
  } finally {
    for (const signal of SIGNALS) signals.off(signal, stop);
  }
}

function interrupted(): UserError {
  return new UserError("interrupted", "run the same command again", EXIT.interrupted);
}
