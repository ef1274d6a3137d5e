/**
 * How soon Actions work: from the end of `up` to the first green run of a workflow, and from a push to its job.
 *
 *     npm run sandbox destroy; node_modules/.bin/node bench/actions.ts [--pushes 30] [--json]
 *
 * The sandbox gets the runner with rootless containers. The first run is a runner's first one where there was no sandbox
 * before: making a repository and pushing to it is part of it. A push counts from when git has ended to when the job's
 * first command runs, which has the repository's container, network and working directory by then; the VM's clock, which
 * that command is asked for, is this machine's in the sandbox. Pushes come one after the other, each after the last run's
 * end.
 */
import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { formatTable } from "../sandbox/table.ts";
import { openVerifyContext } from "../test/e2e/context.ts";
import { issueToken } from "../test/e2e/load/issues.ts";
import { type Ended, logs, oneStep, said, upWithRunner, Workflows } from "../test/e2e/workflows.ts";
import { numberOf, quantile } from "./statistics.ts";

const WORKFLOW = { ".forgejo/workflows/bench.yml": oneStep("echo SAYS $(date +%s%3N)") };

/** Milliseconds since 1970, by the job's clock, when its command ran. @throws Error with the log where it is not green */
function startOf(run: Ended): number {
  if (run.conclusion !== "success") throw new Error(`the run is ${run.conclusion}:\n${logs(run)}`);
  return Number(said(run)[0]);
}

/** Seconds from a push to the start of its job, and to the end of its run. */
async function push(forge: Workflows, repository: string): Promise<{ readonly start: number; readonly end: number }> {
  const commit = await forge.push(repository, WORKFLOW);
  const [pushed, began] = [Date.now(), performance.now()];
  const run = await forge.ended(repository, commit, began);
  return { start: (startOf(run) - pushed) / 1000, end: run.seconds };
}

const { values } = parseArgs({
  options: { pushes: { type: "string", default: "30" }, json: { type: "boolean", default: false } },
});
const pushes = numberOf("pushes", values.pushes);
await upWithRunner();
const finished = performance.now();
const { context } = await openVerifyContext();
const name = `bench-${randomBytes(4).toString("hex")}`;
const forge = new Workflows(context, await issueToken(context, name));
const repository = await forge.create(name);
startOf(await forge.ended(repository, await forge.push(repository, WORKFLOW), performance.now()));
const firstGreenSeconds = (performance.now() - finished) / 1000;
console.error(`first green run ${firstGreenSeconds.toFixed(1)} s after up`);
const times: { readonly start: number; readonly end: number }[] = [];
while (times.length < pushes) {
  times.push(await push(forge, repository));
  const { start = NaN, end = NaN } = times.at(-1) ?? {};
  console.error(`push ${String(times.length)}: job after ${start.toFixed(1)} s, green after ${end.toFixed(1)} s`);
}
const summary = (seconds: readonly number[]) => ({
  p50: quantile(seconds, 0.5),
  p95: quantile(seconds, 0.95),
  max: Math.max(...seconds),
});
const toStart = summary(times.map(({ start }) => start));
const toEnd = summary(times.map(({ end }) => end));
if (values.json) console.log(JSON.stringify({ firstGreenSeconds, pushes, toStart, toEnd }, undefined, 2));
else {
  const row = (what: string, { p50, p95, max }: typeof toStart): string[] => [
    what,
    ...[p50, p95, max].map((value) => `${value.toFixed(1)} s`),
  ];
  const rows = [row("its job", toStart), row("its end", toEnd)];
  console.log(formatTable(["from a push to", "p50", "p95", "longest"], rows));
  console.log(`${String(pushes)} pushes; from up to the first green run: ${firstGreenSeconds.toFixed(1)} s`);
}
