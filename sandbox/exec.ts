import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { openSync } from "node:fs";
import { EXIT, UserError } from "../errors.ts";

/** How one program is run. */
export interface ExecOptions {
  /** text for standard input; the way to hand over a secret, as argv is visible to every user */
  readonly input?: string;
  readonly directory?: string;
  /** added to the environment the rig was started with; `undefined` removes a variable */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly timeoutSeconds?: number;
  /** called for every line of either output as it comes */
  readonly onLine?: (line: string, stream: "stdout" | "stderr") => void;
  /** run it although Ctrl-C was pressed: for leaving things tidy */
  readonly evenIfInterrupted?: boolean;
  /** return the exit code instead of throwing when it is not 0 */
  readonly mayFail?: boolean;
  /** what to do when it fails; the default is the end of its output */
  readonly hint?: string;
}

/** What a program that has ended left behind. */
export interface ExecResult {
  /** exit code; -1 when there is no such program, 124 after the timeout */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The rig's only way to start programs; made once, by main.ts. */
export interface Exec {
  /** Runs a program to its end. @throws UserError when it fails and may not */
  (argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** Hands the operator's terminal to a program and returns its exit code. */
  attach(argv: readonly string[], environment?: ExecOptions["environment"]): Promise<number>;
  /** Starts a daemon that outlives the rig, output appended to a file. Returns its process id. */
  detach(argv: readonly string[], logFile: string): number;
}

/**
 * @param inherited environment of every program
 * @param signal aborted by Ctrl-C: what runs then is asked to end, and waited for
 */
export function createExec(inherited: Readonly<Record<string, string | undefined>>, signal: AbortSignal): Exec {
  const exec = async (argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> => {
    const stop = options.evenIfInterrupted ? new AbortController().signal : signal;
    if (stop.aborted) throw interrupted();
    const child = spawn(argv[0] ?? "", argv.slice(1), {
      cwd: options.directory,
      env: { ...inherited, ...options.environment },
      // A process group of its own: Ctrl-C reaches us alone, and we end each program once and in the gentle way.
      detached: true,
    });
    const result = await finish(child, options, stop);
    if (stop.aborted) throw interrupted();
    if (result.code !== 0 && !options.mayFail) throw failure(argv, result, options.hint);
    return result;
  };
  const attach: Exec["attach"] = (argv, environment = {}) =>
    new Promise((resolve, reject) => {
      const child = spawn(argv[0] ?? "", argv.slice(1), { env: { ...inherited, ...environment }, stdio: "inherit" });
      child.on("error", reject).on("exit", (code) => {
        resolve(code ?? EXIT.interrupted);
      });
    });
  const detach: Exec["detach"] = (argv, logFile) => {
    const log = openSync(logFile, "a", 0o600);
    const child = spawn(argv[0] ?? "", argv.slice(1), { detached: true, stdio: ["ignore", log, log], env: inherited });
    child.unref();
    return child.pid ?? 0;
  };
  return Object.assign(exec, { attach, detach });
}

function finish(child: ChildProcessWithoutNullStreams, options: ExecOptions, signal: AbortSignal): Promise<ExecResult> {
  return new Promise((resolve) => {
    const output = { stdout: "", stderr: "" };
    let timedOut = false;
    const stop = (): void => void child.kill("SIGTERM");
    const timer = options.timeoutSeconds
      ? setTimeout(() => {
          timedOut = true;
          child.kill("SIGKILL");
        }, options.timeoutSeconds * 1000)
      : undefined;
    const end = (code: number, note = ""): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      resolve({ code, stdout: output.stdout, stderr: output.stderr + note });
    };
    signal.addEventListener("abort", stop);
    for (const stream of ["stdout", "stderr"] as const) {
      const lines = splitLines((line) => options.onLine?.(line, stream));
      child[stream].setEncoding("utf8").on("data", (chunk: string) => {
        output[stream] += chunk;
        lines(chunk);
      });
    }
    child.on("error", (error) => {
      end(-1, error.message);
    });
    child.on("close", (code) => {
      if (timedOut) end(124, `no end after ${options.timeoutSeconds ?? 0} s`);
      else end(code ?? EXIT.interrupted);
    });
    // A program that ends without reading its input is judged by its exit code, not by the broken pipe.
    child.stdin.on("error", () => undefined).end(options.input ?? "");
  });
}

/** Returns what takes chunks of text and passes them on line by line. */
function splitLines(onLine: (line: string) => void): (chunk: string) => void {
  let rest = "";
  return (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(onLine);
  };
}

function failure(argv: readonly string[], result: ExecResult, hint: string | undefined): UserError {
  const program = argv.slice(0, 2).join(" ");
  const ending = result.code === -1 ? "not found" : `exit code ${result.code}`;
  const tail = `${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-12).join("\n");
  return new UserError(
    `${program}: ${ending}\n${tail}`,
    hint ?? "read the output above; running the command again resumes",
  );
}

function interrupted(): UserError {
  return new UserError("sandbox: interrupted", "run the same command again, it resumes", EXIT.interrupted);
}
