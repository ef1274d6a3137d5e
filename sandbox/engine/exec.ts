import { spawn, spawnSync, type ChildProcess } from "node:child_process";

/** How one program is run. */
export interface ExecOptions {
  readonly directory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** text for standard input */
  readonly input: string;
  /** kills the program */
  readonly signal?: AbortSignal;
}

/** What a program that has ended left behind. */
export interface ExecResult {
  /** exit code; 127 when the program cannot be started, 128 + number for one that a signal ended is the shell's matter */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the engine's local commands, and remembers what still runs. */
export class Exec {
  readonly #running = new Set<ChildProcess>();

  /** Runs a program to its end, whatever its exit code. */
  run(argv: readonly string[], { directory, environment, input, signal }: ExecOptions): Promise<ExecResult> {
    const child = spawn(argv[0] ?? "", argv.slice(1), {
      cwd: directory,
      env: environment,
      // A process group of its own: Ctrl-C lets the engine finish the steps in flight, so it must not reach them.
      detached: true,
    });
    this.#running.add(child);
    const expire = (): void => {
      killGroup(child);
    };
    signal?.addEventListener("abort", expire);
    return new Promise((resolve) => {
      const output = { stdout: "", stderr: "" };
      for (const stream of ["stdout", "stderr"] as const) {
        child[stream].setEncoding("utf8").on("data", (chunk: string) => {
          output[stream] += chunk;
        });
      }
      child.on("error", (error) => {
        output.stderr += `${error.message}\n`;
      });
      child.on("close", (code, killedBy) => {
        this.#running.delete(child);
        signal?.removeEventListener("abort", expire);
        if (killedBy) output.stderr += `ended by ${killedBy}\n`;
        resolve({ code: code === null || code < 0 ? 127 : code, ...output });
      });
      // A program that ends without reading its input is judged by its exit code, not by the broken pipe.
      child.stdin.on("error", () => undefined).end(input);
    });
  }

  /** Ends everything that still runs. */
  killAll(): void {
    this.#running.forEach(killGroup);
  }
}

/** A shell that is killed alone would leave its programs running, with our pipes open. */
function killGroup({ pid }: ChildProcess): void {
  if (pid !== undefined) spawnSync("kill", ["-TERM", "--", `-${pid}`], { stdio: "ignore" });
}
