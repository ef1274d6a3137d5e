import { EXIT, type ExitCode } from "../errors.ts";
import { backUp, exitCodeOf } from "./backup.ts";
import { checkRepository } from "./check.ts";
import type { Request } from "./command-line.ts";
import { readDrillReport } from "./drill-schedule.ts";
import { drillRebuilt } from "./drill-rebuilt.ts";
import { drill } from "./drill.ts";
import type { Job } from "./job.ts";
import { collectMirrors, describeCollected } from "./mirror-collection.ts";
import { renderMetrics } from "./metrics.ts";
import { probeOffsite } from "./probe.ts";
import { findSet, listSets, readMarker, setsOf } from "./sets.ts";
import { describeStatus, readStatus, type Status } from "./status.ts";

/** What a command has to say, and the exit code that says it in short. */
export interface Answer {
  readonly result: unknown;
  /** the same for a person, a line each */
  readonly lines: readonly string[];
  readonly exitCode: ExitCode;
}

/** Carries out one command. @throws UserError */
export async function execute(job: Job, request: Exclude<Request, { command: "serve" }>): Promise<Answer> {
  switch (request.command) {
    case "run": {
      // Its outcome has been reported line by line.
      const { last, committed } = await backUp(job);
      const set = committed && { id: committed.id, commit: committed.commit };
      return { result: { ...last, ...set }, lines: [], exitCode: exitCodeOf(last) };
    }
    case "list":
      return await list(job);
    case "info": {
      await probeOffsite(job.effects, job.repository, job.credentials.offsiteCa);
      const entry = findSet(setsOf(await job.restic.snapshots("commit")), request.id);
      const commit = await readMarker(job, entry);
      return { result: commit, lines: [JSON.stringify(commit, undefined, 2)], exitCode: EXIT.ok };
    }
    case "check": {
      await probeOffsite(job.effects, job.repository, job.credentials.offsiteCa);
      const checked = await checkRepository(job, request.part);
      return { result: checked, lines: [], exitCode: checked.reason === undefined ? EXIT.ok : EXIT.failed };
    }
    case "status":
      return await status(job, request.metrics);
    case "collect": {
      const collected = await collectMirrors(job, request.force);
      return { result: collected, lines: [], exitCode: collected.reason === undefined ? EXIT.ok : EXIT.failed };
    }
    case "drill": {
      const report = await drill(job, request);
      return { result: report, lines: [], exitCode: report.exitCode };
    }
    case "rebuilt": {
      const report = await drillRebuilt(job);
      return { result: report, lines: [], exitCode: report.exitCode };
    }
  }
}

async function list(job: Job): Promise<Answer> {
  await probeOffsite(job.effects, job.repository, job.credentials.offsiteCa);
  const sets = await listSets(job);
  const lines = sets.map(({ commit: { snapshot, finished, degraded } }) => {
    return [snapshot.slice(0, 8), finished, ...degraded.map(({ part }) => `without ${part}`)].join("  ");
  });
  return { result: sets, lines, exitCode: EXIT.ok };
}

async function status({ effects, layout, plan }: Job, metrics: boolean): Promise<Answer> {
  const described = describeStatus(await readStatus(layout, plan), effects.now());
  const result = { ...described, drill: await readDrillReport(layout) };
  const { last, commit, ageSeconds, healthy, collection, rebuilt, drill: verdict } = result;
  const lines = [
    commit === null ? "backup: none yet" : `backup: newest ${commit.snapshot.slice(0, 8)}, ${String(ageSeconds)} s old`,
    ...(last === null
      ? []
      : [`backup: last run ${last.outcome}${last.reason === undefined ? "" : `: ${last.reason}`}`]),
    ...(last?.degraded ?? []).map(({ part, reason }) => `backup: degraded: ${part}: ${reason}`),
    ...(collection?.reason === undefined ? [] : [`backup: ${describeCollected(collection)}`]),
    ...(rebuilt?.problems ?? []).map((problem) => `rebuilt: ${problem}`),
    ...(verdict === null ? [] : [`drill: ${verdict.outcome} ${verdict.started}`]),
  ];
  const whole = healthy && commit !== null && last?.outcome !== "degraded";
  const sound =
    whole && verdict?.outcome !== "failed" && collection?.reason === undefined && agrees(result, effects.now());
  const shown = metrics ? renderMetrics(result) : lines;
  return { result, lines: shown, exitCode: healthy ? (sound ? EXIT.ok : EXIT.attention) : EXIT.failed };
}

/** What a rebuild began with cannot be put right later; a week is enough to have noticed. */
function agrees({ rebuilt }: Pick<Status, "rebuilt">, now: Date): boolean {
  const isPast = now.getTime() - Date.parse(rebuilt?.finished ?? "") > 7 * 24 * 3600 * 1000;
  return rebuilt === null || rebuilt.problems.length === 0 || isPast;
}
