/**
 * Runs the project's checks and closes with one line, `N passed, N failed`.
 *
 * `suite.ts [all|unit|e2e|lint|style|format|shell] [vitest arguments]`; without an argument all but e2e and format.
 * Every step runs even when an earlier one failed; the exit code is that of the first failed step.
 */
import { spawn, spawnSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly exitCode: number;
  /** shown on the step's line in place of `ok` */
  readonly note?: string;
}

type Step = (vitestArguments: readonly string[]) => Promise<Outcome>;

const shellScripts = [
  "components/**/*.sh",
  "sandbox/**/*.sh",
  "cli/**/*.sh",
  "unseal-helper/**/*.sh",
  "backup/**/*.sh",
  ".ci/run",
];
const steps: Record<string, Step> = {
  unit: (args) => vitest("vitest.config.ts", args),
  e2e: (args) => vitest("vitest.e2e.config.ts", args),
  lint: () => tool("test/check.ts", []),
  style: () => tool("node_modules/prettier/bin/prettier.cjs", ["--check", "--log-level=warn", "--cache", "."]),
  format: () => tool("node_modules/prettier/bin/prettier.cjs", ["--write", "--log-level=warn", "--cache", "."]),
  shell: shellcheck,
};

// Two lanes for two cores: the tests take longer than all the checkers together, and have both cores afterwards.
const lanes: Record<string, readonly (readonly string[])[]> = {
  all: [["unit"], ["lint", "style", "shell"]],
};

async function main(): Promise<void> {
  const [name = "all", ...vitestArguments] = process.argv.slice(2);
  const chosen = lanes[name] ?? (name in steps ? [[name]] : undefined);
  if (chosen === undefined) {
    console.error(`error: test/run.mjs: unknown step: ${name}\nhint: one of all, ${Object.keys(steps).join(", ")}`);
    process.exitCode = 64;
    return;
  }
  const outcomes = (await Promise.all(chosen.map((lane) => runLane(lane, vitestArguments)))).flat();
  const sum = (count: (outcome: Outcome) => number) => outcomes.map(count).reduce((a, b) => a + b, 0);
  const skipped = sum((outcome) => outcome.skipped);
  console.log(
    `\n${sum((o) => o.passed)} passed, ${sum((o) => o.failed)} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`,
  );
  process.exitCode = outcomes.find((outcome) => outcome.exitCode !== 0)?.exitCode ?? 0;
}

async function runLane(names: readonly string[], vitestArguments: readonly string[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const name of names) {
    const started = performance.now();
    const outcome = await (steps[name] as Step)(vitestArguments);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(
      `${name.padEnd(6)} ${seconds.padStart(6)} s  ${outcome.note ?? (outcome.exitCode === 0 ? "ok" : "FAILED")}`,
    );
    outcomes.push(outcome);
  }
  return outcomes;
}

async function vitest(config: string, args: readonly string[]): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), "foundation-tests-"));
  const report = join(directory, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  try {
    const exitCode = await node(
      ["node_modules/vitest/vitest.mjs", "run", "--config", config, ...reporters, ...args],
      "inherit",
    );
    return readReport(report, exitCode);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

function readReport(path: string, exitCode: number): Outcome {
  let report: VitestReport;
  try {
    report = JSON.parse(readFileSync(path, "utf8")) as VitestReport;
  } catch {
    return { passed: 0, failed: 1, skipped: 0, exitCode: exitCode || 1, note: "FAILED (vitest wrote no report)" };
  }
  // a file that cannot be loaded or prepared has no failed test to count, and must not pass for that reason
  const broken = report.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed"),
  );
  const failed = report.numFailedTests + broken.length;
  return {
    passed: report.numPassedTests,
    // an error outside of any test (an unhandled rejection) shows in the exit code only
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: report.numPendingTests,
    exitCode,
  };
}

async function tool(script: string, args: readonly string[]): Promise<Outcome> {
  const exitCode = await node([script, ...args], "pipe");
  return { passed: exitCode === 0 ? 1 : 0, failed: exitCode === 0 ? 0 : 1, skipped: 0, exitCode };
}

/** Output of a piped step is shown in one piece when the step ends, so that the two lanes do not mix line by line. */
function node(args: readonly string[], output: "inherit" | "pipe"): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      stdio: ["ignore", output, output],
      env: { ...process.env, ...(process.stdout.isTTY ? { FORCE_COLOR: "1" } : { NO_COLOR: "1" }) },
    });
    const chunks: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", reject);
    child.on("close", (code) => {
      process.stdout.write(Buffer.concat(chunks));
      resolve(code ?? 1);
    });
  });
}

function shellcheck(): Promise<Outcome> {
  const scripts = globSync(shellScripts);
  const result = spawnSync("shellcheck", scripts, { encoding: "utf8" });
  if (result.error !== undefined) {
    const note = "skipped: shellcheck not installed";
    return Promise.resolve({ passed: 0, failed: 0, skipped: 1, exitCode: 0, note });
  }
  process.stdout.write(result.stdout + result.stderr);
  const exitCode = result.status ?? 1;
  return Promise.resolve({ passed: exitCode === 0 ? 1 : 0, failed: exitCode === 0 ? 0 : 1, skipped: 0, exitCode });
}

await main();
