import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream } from "node:fs";
import { constants } from "node:os";
import { createInterface } from "node:readline";
import { EXIT, UserError } from "../errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** How a program ended. */
export interface Finished {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a program is given besides its arguments. Secrets go through `input`, never through the arguments. */
export interface RunOptions {
  /** text for standard input; nothing by default */
  readonly input?: string | Buffer;
  /** added to the environment of the command line program */
  readonly env?: Environment;
  readonly directory?: string;
  readonly timeoutSeconds?: number;
  /** called with each line of standard error as it comes */
  readonly onLine?: (line: string) => void;
  /** where standard output goes, byte for byte; a new file that only its owner can read. The result then has none of it. */
  readonly outputFile?: string;
  /** run it although Ctrl-C was pressed: for cleaning up */
  readonly evenIfInterrupted?: boolean;
}

/** Starts a program and waits for it; a non-zero exit code is a result, not an error. */
export type Run = (program: string, args: readonly string[], options?: RunOptions) => Promise<Finished>;

/**
 * The one way in which the command line program starts others.
 *
 * @param environment of every program that is started
 * @param interrupted aborted by Ctrl-C; ends what is running
 * @returns a function that throws a UserError where the program is not installed, exceeds its time or is interrupted
 */
export function createRun(environment: Environment, interrupted: AbortSignal): Run {
  return async (program, args, options = {}) => {
    const { input, env, directory, timeoutSeconds = 120, evenIfInterrupted = false } = options;
    const stop = AbortSignal.any([
      AbortSignal.timeout(timeoutSeconds * 1000),
      ...(evenIfInterrupted ? [] : [interrupted]),
    ]);
    const child = spawn(program, args, {
      cwd: directory,
      env: { ...environment, ...env },
      stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    // a program may end without reading all of its input; its exit code says the rest
    child.stdin?.on("error", () => undefined).end(input);
    try {
      return await finish(child, stop, options);
    } catch (error) {
      if (evenIfInterrupted || !interrupted.aborted) {
        if (stop.aborted) throw new UserError(`${program}: no result in ${timeoutSeconds} s`, "run the command again");
        throw (error as NodeJS.ErrnoException).code === "ENOENT" ? new ProgramMissing(program) : error;
      }
      throw new UserError("interrupted", "run the command again", EXIT.interrupted);
    }
  };
}

function finish(
  child: ChildProcess,
  stop: AbortSignal,
  { onLine, outputFile }: Pick<RunOptions, "onLine" | "outputFile">,
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const kill = () => {
      child.kill("SIGKILL");
      // what the program started may hold the pipes open; nobody waits for that
      child.stdout?.destroy();
      child.stderr?.destroy();
      reject(new Error("stopped"));
    };
    if (stop.aborted) kill();
    stop.addEventListener("abort", kill, { once: true });
    const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    const file = outputFile === undefined ? undefined : createWriteStream(outputFile, { flags: "wx", mode: 0o600 });
    if (file) child.stdout?.pipe(file.on("error", reject));
    else child.stdout?.on("data", (chunk: Buffer) => output.stdout.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => output.stderr.push(chunk));
    if (onLine && child.stderr) createInterface({ input: child.stderr }).on("line", onLine);
    child.on("error", reject);
    child.on("close", (code) => {
      stop.removeEventListener("abort", kill);
      const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString();
      const end = () => {
        resolve({ exitCode: code ?? 1, stdout: text(output.stdout), stderr: text(output.stderr) });
      };
      // what the program wrote may not be on the disk yet
      if (file && !file.writableFinished) file.on("finish", end);
      else end();
    });
  });
}

/** Runs a program on this process's terminal, where it may ask; the result is its exit code. */
export type Attach = (
  program: string,
  args: readonly string[],
  directory?: string,
  options?: AttachOptions,
) => Promise<number>;

/** How a program is attached otherwise than by default. */
export interface AttachOptions {
  /** added to the environment of the command line program */
  readonly env?: Environment;
  /** what it prints goes to standard error: standard output is for this command's own result */
  readonly outputToErrors?: true;
}

/**
 * The one way to hand the terminal on.
 *
 * A Ctrl-C at a terminal reaches the program from there, and a second one would make it end without order; so it is
 * passed on only where it was sent to this process alone.
 *
 * @param interrupted its reason is the name of the signal
 * @param hasTerminal whether standard input is one
 */
export function createAttach(environment: Environment, interrupted: AbortSignal, hasTerminal: boolean): Attach {
  return (program, args, directory, { env, outputToErrors } = {}) =>
    new Promise((resolve, reject) => {
      const stdio = ["inherit", outputToErrors ? 2 : "inherit", "inherit"] as const;
      const child = spawn(program, args, { cwd: directory, env: { ...environment, ...env }, stdio: [...stdio] });
      const pass = (): void => {
        if (!hasTerminal || interrupted.reason === "SIGTERM") child.kill("SIGINT");
      };
      interrupted.addEventListener("abort", pass, { once: true });
      child.on("error", (error: NodeJS.ErrnoException) => {
        reject(error.code === "ENOENT" ? new ProgramMissing(program) : error);
      });
      child.on("exit", (code, signal) => {
        interrupted.removeEventListener("abort", pass);
        resolve(code ?? 128 + constants.signals[signal ?? "SIGKILL"]);
      });
    });
}

/** A program with its arguments. */
export type Argv = readonly [program: string, ...args: string[]];

/**
 * Runs two programs, what the first one prints being the input of the second.
 *
 * @param onBytes is told how much has gone through since the last time
 * @returns how both ended; neither has standard output
 */
export type Pipe = (from: Argv, to: Argv, onBytes: (count: number) => void) => Promise<[Finished, Finished]>;

/** @param interrupted ends both */
export function createPipe(environment: Environment, interrupted: AbortSignal): Pipe {
  return async ([producer, ...from], [consumer, ...to], onBytes) => {
    const source = spawn(producer, from, { env: { ...environment }, stdio: ["ignore", "pipe", "pipe"] });
    const target = spawn(consumer, to, { env: { ...environment }, stdio: ["pipe", "ignore", "pipe"] });
    const kill = (): void => [source, target].forEach((child) => child.kill());
    if (interrupted.aborted) kill();
    interrupted.addEventListener("abort", kill, { once: true });
    source.stdout.on("data", (chunk: Buffer) => {
      onBytes(chunk.length);
    });
    source.stdout.pipe(target.stdin);
    // Who no longer listens has ended; then the other one has nobody to talk to.
    target.stdin.on("error", () => source.kill());
    const finished = await Promise.all([collectErrors(source), collectErrors(target)]);
    interrupted.removeEventListener("abort", kill);
    if (interrupted.aborted) throw new UserError("interrupted", "run the command again", EXIT.interrupted);
    return finished;
  };
}

function collectErrors(child: ChildProcess): Promise<Finished> {
  return new Promise((resolve, reject) => {
    let stderr = "";
    child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.on("error", reject).on("close", (code) => {
      resolve({ exitCode: code ?? 1, stdout: "", stderr });
    });
  });
}

/** A program that runs beside this one, and ends when this one lets it or ends itself. */
export interface Companion {
  /** the first line that it prints; undefined where it ended without one */
  readonly firstLine: Promise<string | undefined>;
  readonly ended: Promise<Finished>;
  /** closes its standard input, which is how it learns that it may end */
  release(): void;
}

/** Starts one. `onLine` gets each line of standard error as it comes. */
export type Accompany = (program: string, args: readonly string[], onLine: (line: string) => void) => Companion;

const HEARTBEAT_MS = 10_000;

/** Standard input of a companion gets an empty line now and then: silence tells it that this machine is gone. */
export function createAccompany(environment: Environment): Accompany {
  return (program, args, onLine) => {
    // A process group of its own: a Ctrl-C at the terminal is not for it, it is released when all else has ended.
    const child = spawn(program, args, { env: { ...environment }, detached: true, stdio: ["pipe", "pipe", "pipe"] });
    const heartbeat = setInterval(() => child.stdin.write("\n"), HEARTBEAT_MS);
    child.stdin.on("error", () => undefined).write("\n");
    const errors = createInterface({ input: child.stderr });
    const output = { stdout: "", stderr: "" };
    errors.on("line", (line) => {
      output.stderr += `${line}\n`;
      onLine(line);
    });
    const lines = createInterface({ input: child.stdout });
    lines.on("line", (line) => (output.stdout += `${line}\n`));
    const ended = new Promise<Finished>((resolve, reject) => {
      child.on("error", reject).on("close", (code) => {
        clearInterval(heartbeat);
        resolve({ exitCode: code ?? 1, ...output });
      });
    });
    const firstLine = new Promise<string | undefined>((resolve, reject) => {
      lines.once("line", resolve);
      ended.then(() => resolve(undefined), reject);
    });
    // Who waits for one of the two may not wait for the other.
    for (const promise of [ended, firstLine]) promise.catch(() => undefined);
    return { firstLine, ended, release: () => child.stdin.end() };
  };
}

/** A program that the operator's machine does not have. */
export class ProgramMissing extends UserError {
  constructor(program: string) {
    super(`${program}: not installed`, `install ${program} on this machine and run the command again`, EXIT.failed);
  }
}

/**
 * As a {@link Run}, but a non-zero exit code is an error.
 *
 * @param what what was being done, for the message: `<what>: <last line that the program printed>`
 */
export async function runOrFail(
  run: Run,
  what: string,
  program: string,
  args: readonly string[],
  options?: RunOptions,
): Promise<string> {
  const finished = await run(program, args, options);
  if (finished.exitCode === 0) return finished.stdout;
  const detail = lastLine(finished.stderr) ?? lastLine(finished.stdout) ?? `exit code ${finished.exitCode}`;
  throw new UserError(`${what}: ${detail}`, `${program} failed on this machine with exit code ${finished.exitCode}`);
}

/** The last line that says something. */
export function lastLine(text: string): string | undefined {
  return text
    .split("\n")
    .map((line) => line.trim())
    .findLast((line) => line !== "");
}
