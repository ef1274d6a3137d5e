import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { EXIT, UserError } from "../errors.ts";
import type { Effects, Finished, Run } from "./effects.ts";

/** A lower priority than that of the services; they are what the machine is for. */
const NICENESS = "10";
/** From the request to end until the kill. restic needs it to remove its lock from the repository. */
const GRACE = "20s";
/** Exit codes of timeout(1). */
const TOO_LONG = [124, 137];
const NOT_FOUND = 127;

/**
 * The one way in which the job starts other programs. timeout(1) gives each a process group of its own, so that what
 * a program has started ends with it.
 *
 * @param environment of every program
 * @param interrupted aborted when the job is asked to end
 */
export function createRun(environment: Readonly<Record<string, string | undefined>>, interrupted: AbortSignal): Run {
  return async (program, args, { timeoutSeconds, input, env, onLine, into }) => {
    const bounded = ["-n", NICENESS, "timeout", `--kill-after=${GRACE}`, String(timeoutSeconds), program, ...args];
    const child = spawn("nice", bounded, {
      env: { ...environment, ...env },
      stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    const end = (): unknown => child.kill("SIGTERM");
    if (interrupted.aborted) end();
    interrupted.addEventListener("abort", end, { once: true });
    // A program may end without reading all of its input; its exit code says the rest.
    child.stdin?.on("error", () => undefined).end(input);
    const finished = await collect(child, onLine, into);
    interrupted.removeEventListener("abort", end);
    if (interrupted.aborted) throw new UserError("interrupted", "run the command again", EXIT.interrupted);
    if (TOO_LONG.includes(finished.exitCode)) {
      throw new UserError(`${program}: no result in ${String(timeoutSeconds)} s`, "run the command again");
    }
    if (finished.exitCode === NOT_FOUND)
      throw new UserError(`${program}: not in this image`, "pulumi up builds it anew");
    return finished;
  };
}

async function collect(child: ChildProcess, onLine?: (line: string) => void, into?: string): Promise<Finished> {
  const text = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  child.stderr?.on("data", (chunk: Buffer) => text.stderr.push(chunk));
  if (child.stdout && into !== undefined) {
    const file = createWriteStream(into, { flags: "wx", mode: 0o600, flush: true });
    child.stdout.pipe(file);
    await Promise.all([once(file, "close"), closed(child)]);
  } else {
    child.stdout?.on("data", (chunk: Buffer) => text.stdout.push(chunk));
    if (child.stdout && onLine) createInterface({ input: child.stdout }).on("line", onLine);
    await closed(child);
  }
  const join = (chunks: Buffer[]): string => Buffer.concat(chunks).toString();
  return { exitCode: child.exitCode ?? 1, stdout: join(text.stdout), stderr: join(text.stderr) };
}

function closed(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on("error", reject).on("close", () => resolve());
  });
}

/**
 * A lock on a file by flock(1), whose `cat` keeps it until this process closes the pipe or ends. The operator's
 * machine takes the same lock, so that no deployment and no backup disturb each other.
 *
 * @param interrupted ends the waiting for it: a container that is to stop must not stay for the deployment that stops it
 */
export function createLock(interrupted: AbortSignal): Effects["lock"] {
  return async (path, waitSeconds) => {
    const args = ["--exclusive", "--wait", String(waitSeconds), path, "sh", "-c", "echo locked; exec cat"];
    const child = spawn("flock", args, { stdio: ["pipe", "pipe", "inherit"] });
    const end = (): unknown => child.kill("SIGTERM");
    if (interrupted.aborted) end();
    interrupted.addEventListener("abort", end, { once: true });
    const locked = await new Promise<boolean>((resolve, reject) => {
      child.stdout.once("data", () => resolve(true));
      child.once("error", reject).once("close", () => resolve(false));
    });
    interrupted.removeEventListener("abort", end);
    if (interrupted.aborted) {
      child.stdin.end();
      throw new UserError("interrupted", "run the command again", EXIT.interrupted);
    }
    return locked ? () => child.stdin.end() : undefined;
  };
}
