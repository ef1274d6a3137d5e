import { spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { parse, stringify } from "yaml";
import { sshArguments } from "../../ssh-target.ts";
import { stackEnvironment } from "../../sandbox/deployment.ts";
import { createExec } from "../../sandbox/exec.ts";
import { sandboxFiles } from "../../sandbox/files.ts";
import { findPaths } from "../../sandbox/paths.ts";
import { Progress } from "../../sandbox/progress.ts";
import type { Rig } from "../../sandbox/rig.ts";
import { containerOf, volumeOf } from "../../sandbox/vm/machine.ts";

const project = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** Where the rig keeps its files; the same that `npm run sandbox` uses. */
export const paths = findPaths(process.env, project);
export const files = sandboxFiles(paths);

/** The rig's own functions, for tests that use them without the command line. Progress goes to standard error. */
export function createTestRig(): Rig {
  return {
    exec: createExec(process.env, new AbortController().signal),
    progress: new Progress((line) => {
      console.error(line);
    }),
    paths,
    environment: process.env,
    uid: process.geteuid?.() ?? -1,
    node: process.execPath,
    print: () => undefined,
    exitWith: () => undefined,
  };
}

/** How a program ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a program is given, and when it is to be killed. */
export interface RunOptions {
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  /** called with each line of either output; returning true kills the program and everything it started with SIGKILL */
  readonly killOn?: (line: string) => boolean;
  /** kills them when it is aborted */
  readonly killedBy?: AbortSignal;
}

/** Runs a program to its end, or to the line at which it is killed. Never throws for an exit code. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const child = spawn(argv[0] ?? "", argv.slice(1), {
    cwd: project,
    env: {
      ...process.env,
      FOUNDATION_ENGINE: "embedded",
      ...stackEnvironment({ paths, environment: process.env }),
      ...options.environment,
    },
    detached: true,
  });
  const output = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    createInterface({ input: child[stream] }).on("line", (line) => {
      output[stream] += `${line}\n`;
      if (options.killOn?.(line)) killTree(child.pid);
    });
  }
  options.killedBy?.addEventListener("abort", () => {
    if (child.exitCode === null) killTree(child.pid);
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { code, ...output };
}

function killTree(pid: number | undefined): void {
  if (pid === undefined) return;
  // The rig gives every program a process group of its own, so descendants are found by parentage.
  const children = readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, "utf8")
    .trim()
    .split(/\s+/);
  process.kill(pid, "SIGKILL");
  for (const child of children.filter(Boolean)) killTree(Number(child));
}

/** Runs a program and returns what it printed. @throws Error with its messages where it failed */
export async function must(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(argv, options);
  if (code !== 0) throw new Error(`${argv.join(" ")}: exit ${String(code)}: ${stderr}`);
  return stdout.trim();
}

const node = process.execPath;

/** `npm run sandbox -- …` */
export function sandbox(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return run([node, "sandbox/main.ts", ...args], options);
}

/** The embedded engine on the rig's stack, or on another state and configuration. */
export function engine(
  args: readonly string[],
  stack: { readonly state: string; readonly config: string } = files,
  options: RunOptions = {},
): Promise<Ended> {
  return run([node, "sandbox/engine/main.ts", ...args, "--state", stack.state, "--config-file", stack.config], options);
}

/** A program of the `foundation` command on the rig's stack. */
export function foundation(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return run([node, "cli/main.ts", ...args, "--stack", "sandbox", "--config-file", files.config], options);
}

/** The unseal helper on the rig's stack. */
export function vault(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return run([node, "unseal-helper/main.ts", ...args, "--stack", "sandbox", "--keys", files.keys], options);
}

/** A shell command as root on one of the rig's VMs, with the pinned host key. */
export function sshTo(vm: "host" | "offsite", command: string): string[] {
  const target = (readConfig()[`foundation:${vm}`] ?? {}) as Parameters<typeof sshArguments>[0];
  return ["ssh", ...sshArguments(target), command];
}

/** A shell command as root on the rig's VM; returns its output. */
export async function onVm(command: string, input = ""): Promise<string> {
  const { code, stdout, stderr } = await run(sshTo("host", command), { input });
  if (code !== 0) throw new Error(`${command}: exit ${String(code)}: ${stderr}`);
  return stdout;
}

/** The VM `prod` and everything that this machine knows of it are gone; key files, offsite and configuration stay. */
export async function loseVm(): Promise<void> {
  await run(["docker", "rm", "--force", "--volumes", containerOf("prod")]);
  await run(["docker", "volume", "rm", volumeOf("prod")]);
  rmSync(files.state, { force: true });
}

/** The stack's configuration, by full key. */
export function readConfig(): Record<string, unknown> {
  return (parse(readFileSync(files.config, "utf8")) as { config: Record<string, unknown> }).config;
}

/** Writes a configuration in Pulumi's form. */
export function writeConfig(path: string, config: Readonly<Record<string, unknown>>): void {
  writeFileSync(path, stringify({ config }), { mode: 0o600 });
}

/** Waits until something holds, and says what did not. */
export async function until(what: string, seconds: number, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await holds().catch(() => false))) {
    if (Date.now() > end) throw new Error(`${what}: not within ${String(seconds)} s`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
