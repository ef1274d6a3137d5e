import { setImmediate } from "node:timers/promises";
import { EXIT, UserError } from "../../errors.ts";
import { Applier } from "./applier.ts";
import { Deployment } from "./deployment.ts";
import type { DriverSet } from "./driver.ts";
import { Journal, type Changes, type EngineEvent, type Failure, type StepRecord } from "./journal.ts";
import { takeLock } from "./lock.ts";
import { runProgram, type Registrar } from "./monitor.ts";
import { Redactor } from "./redactor.ts";
import { State } from "./state.ts";
import { hasUnknown, mask, secret, type Properties } from "./values.ts";

/** The only stack that this engine touches. */
export const SANDBOX = "sandbox";

/** Name of the project in Pulumi.yaml; it is part of every URN. */
const PROJECT = "foundation";

/** One run of the engine. */
export interface EngineOptions {
  /** the program's default export */
  readonly program: () => unknown;
  /** has to be `sandbox` */
  readonly stack: string;
  /** by full key (`foundation:domain`), values of any kind */
  readonly config: Readonly<Record<string, unknown>>;
  /** made when it does not exist */
  readonly stateFile: string;
  readonly passphrase: Buffer;
  /** see `openDrivers`; the caller closes them */
  readonly drivers: DriverSet;
  /** how many steps may run at once; 8 if not given */
  readonly parallel?: number;
  readonly onEvent?: (event: EngineEvent) => void;
  /**
   * Aborted: what runs is finished and saved, nothing new begins, nothing is deleted.
   * To be aborted on the process's `unhandledRejection` too: that is how an error inside `apply` shows.
   */
  readonly signal?: AbortSignal;
}

/** What a run did. */
export interface Digest {
  readonly result: "succeeded" | "failed" | "interrupted";
  readonly changes: Changes;
  readonly steps: readonly StepRecord[];
  readonly failures: readonly Failure[];
  /** the stack's outputs, secrets and unknown values masked */
  readonly outputs: Properties;
  readonly durationSeconds: number;
}

/**
 * Shows what {@link up} would do: one `planned` event for each resource that would change. Contacts nothing, writes nothing.
 *
 * @throws UserError when the state cannot be opened; what concerns one resource, or the program, is in the digest
 */
export function preview(options: EngineOptions): Promise<Digest> {
  return run(options, true);
}

/**
 * Makes the world what the program says. A failure stops only what depends on it; running it again resumes.
 *
 * @throws UserError when the state cannot be opened or is in use; what concerns one resource, or the program, is in the digest
 */
export async function up(options: EngineOptions): Promise<Digest> {
  requireSandbox(options.stack);
  const release = await takeLock(options.stateFile);
  try {
    return await run(options, false);
  } finally {
    release();
  }
}

/**
 * Deletes everything that is recorded, dependents first. What is retained on deletion (the volumes) is only forgotten.
 *
 * The program is run first, with every resource as recorded and nothing made: it opens the tunnel that some deletions need.
 *
 * @param options.unprotect deletes protected resources too; without it they make the run refuse before anything is touched
 * @throws UserError as {@link up}, and when something is protected
 */
export async function destroy(options: EngineOptions & { readonly unprotect?: boolean }): Promise<Digest> {
  requireSandbox(options.stack);
  const release = await takeLock(options.stateFile);
  try {
    const session = await open(options, false);
    const { state } = session;
    liftProtection(state, options.unprotect ?? false);
    if (state.resources.length > 0) await replay(options, session);
    await session.deployment.removeAll([...state.resources]);
    if (state.resources.length === 0) state.setOutputs({});
    await state.save();
    return digest(session, options.signal, {});
  } finally {
    release();
  }
}

/**
 * The stack's outputs of the last complete run, secrets marked as such.
 *
 * @throws UserError when the state cannot be opened
 */
export async function readOutputs(stateFile: string, passphrase: Buffer): Promise<Properties> {
  return (await State.load(stateFile, SANDBOX, passphrase)).outputs;
}

interface Session {
  readonly state: State;
  readonly journal: Journal;
  readonly redactor: Redactor;
  readonly deployment: Deployment;
}

async function run(options: EngineOptions, dryRun: boolean): Promise<Digest> {
  requireSandbox(options.stack);
  const session = await open(options, dryRun);
  const { state, journal, deployment } = session;
  let outputs: Properties | undefined;
  try {
    outputs = await runProgram({ ...options, project: PROJECT, dryRun }, deployment);
  } catch (error) {
    journal.failed(undefined, error);
  }
  // An error inside `apply` shows as a rejection that nobody handles; the caller hears of it in this pause, and aborts.
  await setImmediate();
  const complete = journal.failures.length === 0 && !options.signal?.aborted;
  if (complete) await deployment.removeAbsent();
  if (!dryRun) {
    // an output that a failure left unknown keeps its last value, so that what is running can still be found
    const known = Object.entries(outputs ?? state.outputs).filter(([, value]) => !hasUnknown(value));
    state.setOutputs(complete ? (outputs ?? {}) : { ...state.outputs, ...Object.fromEntries(known) });
    await state.save();
  }
  return digest(session, options.signal, outputs ?? state.outputs);
}

async function open(options: EngineOptions, dryRun: boolean): Promise<Session> {
  const state = await State.load(options.stateFile, options.stack, options.passphrase);
  const redactor = new Redactor();
  redactor.learn(secret(options.passphrase.toString()));
  for (const { inputs, outputs } of state.resources) {
    redactor.learn(inputs);
    redactor.learn(outputs);
  }
  const journal = new Journal(redactor, options.onEvent ?? (() => undefined));
  const applier = new Applier(state, options.drivers);
  const signal = options.signal ?? new AbortController().signal;
  const { drivers, parallel = 8 } = options;
  const deployment = new Deployment({ state, drivers, applier, journal, redactor, dryRun, parallel, signal });
  return { state, journal, redactor, deployment };
}

/** Runs the program as it was deployed; an error is reported and does not keep the rest from being deleted. */
async function replay(options: EngineOptions, { state, journal, deployment }: Session): Promise<void> {
  const recorded: Registrar = {
    register: ({ urn, custom, inputs }) => {
      const record = state.live(urn);
      const missing = custom && !record;
      return Promise.resolve({ urn, id: record?.id ?? "", outputs: record?.outputs ?? inputs, unknown: missing });
    },
    fail: (subject, error) => deployment.fail(subject, error),
  };
  await runProgram({ ...options, project: PROJECT, dryRun: false }, recorded).catch((error: unknown) => {
    journal.failed(undefined, error);
  });
}

function liftProtection(state: State, unprotect: boolean): void {
  const guarded = state.resources.filter((each) => each.protect);
  if (guarded.length > 0 && !unprotect) {
    throw new UserError(
      `destroy: protected: ${guarded.map(({ name }) => name).join(", ")}`,
      "give --unprotect if they are to go; volumes stay on the VM all the same",
      EXIT.refused,
    );
  }
  for (const record of guarded) state.put({ ...record, protect: false }, record);
}

function requireSandbox(stack: string): void {
  if (stack === SANDBOX) return;
  throw new UserError(
    `stack ${stack}: the embedded engine deploys only the stack ${SANDBOX}`,
    `use the Pulumi CLI: pulumi up --stack ${stack}`,
    EXIT.refused,
  );
}

function digest({ journal }: Session, signal: AbortSignal | undefined, outputs: Properties): Digest {
  const { changes, steps, failures, durationSeconds } = journal;
  const result = failures.length > 0 ? "failed" : signal?.aborted ? "interrupted" : "succeeded";
  return { result, changes, steps, failures, outputs: mask(outputs) as Properties, durationSeconds };
}
