import { readFileSync } from "node:fs";
import type { DrillReport, Phase } from "../../backup/drill-record.ts";
import { EXIT, UserError, type ExitCode } from "../../errors.ts";
import { offsiteOf } from "../backup/job.ts";
import { progressFilter, remoteFailure } from "../backup/remote-failure.ts";
import type { Shell } from "../shell.ts";
import { rootCommand, runOnVm } from "../ssh.ts";
import type { Stack } from "../stack.ts";

const LIMIT_SECONDS = 24 * 3600;

/**
 * Restores the newest backup on the VM, beside everything that runs there, and compares the stores with each other.
 * Whatever happens, also Ctrl-C, nothing of it is left there.
 *
 * @returns the verdict; one that could not be reached is an outcome too
 * @throws UserError (unreachable) where the VM cannot be reached, or has no backup job
 */
export async function runDrill(shell: Shell, stack: Stack): Promise<DrillReport> {
  offsiteOf(stack);
  const { host } = stack.config;
  const script = readFileSync(new URL("./drill-host.sh", import.meta.url), "utf8");
  const onVm = (command: string) => rootCommand(host, ["bash", "-s", "--", command]);
  const progress = progressFilter((line) => {
    shell.notice(line);
  });
  const options = { input: script, timeoutSeconds: LIMIT_SECONDS, onLine: progress.line };
  let ended = false;
  const started = performance.now();
  try {
    const finished = await runOnVm(shell.run, "drill", host, onVm("run"), options);
    ended = true;
    const seconds = Math.round((performance.now() - started) / 100) / 10;
    if (finished.stdout.trim() === "") throw remoteFailure("drill", finished);
    progress.flush();
    return addGit(finished.stdout, seconds);
  } finally {
    if (!ended) {
      const cleanUp = { input: script, timeoutSeconds: 60, evenIfInterrupted: true };
      await runOnVm(shell.run, "drill", host, onVm("clean"), cleanUp).catch(() => undefined);
    }
  }
}

/**
 * Adds what git said to the job's report.
 *
 * @param output of the script: the report, then `bad …` lines and `fsck COUNT`
 * @param seconds that the whole drill took
 */
export function addGit(output: string, seconds: number): DrillReport {
  const [json = "", ...lines] = output.trim().split("\n");
  const report = JSON.parse(json) as DrillReport;
  if (report.outcome === "error") return report;
  const count = lines.find((line) => line.startsWith("fsck "))?.slice("fsck ".length);
  if (count === undefined) {
    throw new UserError("drill: git did not come to its end", "docker logs forgejo (on the VM)", EXIT.host);
  }
  const problems = lines.filter((line) => line.startsWith("bad ")).map((line) => line.slice("bad ".length));
  const failed = problems.length > 0;
  const phase: Phase = {
    name: "git fsck",
    outcome: failed ? "failed" : "passed",
    startSecond: report.seconds,
    seconds: Math.max(0, Math.round((seconds - report.seconds) * 10) / 10),
    detail: `${count} repositories, every object read`,
    problems,
  };
  const exitCode: ExitCode = failed ? EXIT.failed : report.exitCode;
  const outcome = failed ? "failed" : report.outcome;
  return { ...report, outcome, exitCode, seconds, phases: [...report.phases, phase] };
}
