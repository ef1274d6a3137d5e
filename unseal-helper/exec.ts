import { constants } from "node:os";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import type { Writable } from "node:stream";

/** Environment of the programs that are started: never with a passphrase or token in it. */
export type ChildEnvironment = Readonly<Record<string, string | undefined>>;

/** A program's whole output. */
export interface Finished {
  /** 128 + 9 where it was killed for taking too long */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const STDERR_LIMIT = 4000;

/** The environment without what concerns only Pulumi and Vault: the master passphrase, decrypted configuration, tokens. */
export function childEnvironment(env: ChildEnvironment): ChildEnvironment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(PULUMI|VAULT)_/.test(name)));
}

/** The environment for the pulumi program: with what names its backend, without what is secret. */
export function pulumiEnvironment(env: ChildEnvironment): ChildEnvironment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(PULUMI_CONFIG|VAULT_)/.test(name)));
}

/**
 * Runs a program to its end.
 *
 * @param args.secret what it can read from descriptor 3
 */
export async function run(
  command: readonly string[],
  args: { env: ChildEnvironment; input: string; secret?: Buffer; timeoutSeconds: number },
): Promise<Finished> {
  const child = start(command, args.env, args.secret === undefined ? [] : ["pipe"]);
  if (args.secret !== undefined) (child.stdio[3] as Writable).on("error", () => undefined).end(args.secret);
  const timer = setTimeout(() => child.kill("SIGKILL"), args.timeoutSeconds * 1000);
  const stderr = collect(child);
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stdin.on("error", () => undefined).end(args.input);
  try {
    return { code: await ended(child), stdout, stderr: stderr() };
  } finally {
    clearTimeout(timer);
  }
}

/** A running program whose input and output are used as a connection. */
export interface Connection {
  readonly child: ChildProcessWithoutNullStreams;
  /** the start of what it has complained about so far */
  stderr(): string;
  /** its exit code, once it has ended */
  readonly ended: Promise<number>;
}

/** Starts a program and hands over its input and output. */
export function connect(command: readonly string[], env: ChildEnvironment): Connection {
  const child = start(command, env);
  child.stdin.on("error", () => undefined);
  return { child, stderr: collect(child), ended: ended(child) };
}

/**
 * Runs a program at this program's own terminal, and tells it to end when somebody wants this program to stop.
 *
 * @returns its exit code
 */
export function runAttached(
  [program, ...argv]: readonly string[],
  env: ChildEnvironment,
  stopping: AbortSignal,
): Promise<number> {
  const child = spawn(program ?? "", argv, { env, stdio: "inherit" });
  const stop = (): void => void child.kill("SIGTERM");
  stopping.addEventListener("abort", stop, { once: true });
  return new Promise((resolve) => {
    child.on("error", () => resolve(127));
    child.on("close", (code, signal) => {
      stopping.removeEventListener("abort", stop);
      resolve(code ?? 128 + constants.signals[signal ?? "SIGKILL"]);
    });
  });
}

function start(
  [program, ...argv]: readonly string[],
  env: ChildEnvironment,
  more: readonly "pipe"[] = [],
): ChildProcessWithoutNullStreams {
  // Ctrl-C at the terminal is for this program, which may still need its connections to clean up: they get a group of
  // their own, and end when their input does.
  return spawn(program ?? "", argv, {
    env,
    stdio: ["pipe", "pipe", "pipe", ...more],
    detached: true,
  });
}

function collect(child: ChildProcessWithoutNullStreams): () => string {
  let text = "";
  child.stderr.setEncoding("utf8").on("data", (more: string) => (text = (text + more).slice(0, STDERR_LIMIT)));
  return () => text.trim();
}

/** 127 where the program does not exist, as a shell would say. */
function ended(child: ChildProcessWithoutNullStreams): Promise<number> {
  return new Promise((resolve) => {
    child.on("error", () => resolve(127));
    child.on("close", (code) => resolve(code ?? 137));
  });
}
