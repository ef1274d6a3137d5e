/**
 * Time of a backup run beside a plain `restic backup` of the same tree into a repository of its own on the same offsite,
 * and what a run uploads where nothing has changed.
 *
 *     npm run sandbox && node_modules/.bin/node bench/backup.ts [--gigabytes 4] [--files 50000] [--rounds 3] [--json]
 *
 * Ours is the job's own program in its container: probe, Vault's snapshot, dumps, references, mirror, upload, marker. Both
 * write to the rest-server of the VM `offsite`, with TLS, and are timed from here, to the end of the command. The plain
 * one gets the files that our run has put together, so that it has no dump and no object to fetch. Afterwards the offsite
 * holds a set of this size, until `npm run sandbox destroy`.
 */
import { parseArgs } from "node:util";
import { layout, ROOTS } from "../backup/paths.ts";
import { type Plan, parsePlan } from "../backup/plan.ts";
import { parseSummary, type Summary } from "../backup/restic.ts";
import { excludes } from "../backup/run.ts";
import { formatTable } from "../sandbox/table.ts";
import { committed, onOffsite, restic } from "../test/e2e/backup-job.ts";
import { openVerifyContext } from "../test/e2e/context.ts";
import { onVm } from "../test/e2e/rig.ts";
import { clear, fill } from "./filling.ts";
import { median, numberOf, seconds } from "./statistics.ts";

// A run in which nothing has changed dumps every database and lists every bucket, which a plain restic does not: of that
// one, what it uploads has a budget, and its time is told.
const BUDGET = { ratio: 1.5, unchangedBytes: 3_000_000 };
const PLAIN = "plain/";
const EXCLUDES = "/tmp/bench-excludes";

/** What one program took. */
interface Took {
  readonly seconds: number;
  readonly addedBytes: number;
  readonly files: number;
  readonly bytes: number;
}

/** Both programs on the same tree. */
interface Round {
  readonly what: string;
  readonly ours: Took;
  readonly plain: Took;
  /** of ours, by step */
  readonly steps: Readonly<Record<string, number>>;
}

async function timed(work: () => Promise<Summary>): Promise<Took> {
  // What was written before is not the next one's to wait for.
  await onVm("sync");
  let summary: Summary | undefined;
  const took = await seconds(async () => (summary = await work()));
  const { addedBytes = 0, files = 0, bytes = 0 } = summary ?? {};
  return { seconds: took, addedBytes, files, bytes };
}

async function both(what: string, paths: readonly string[]): Promise<Round> {
  let steps: Record<string, number> = {};
  const ours = await timed(async () => {
    const { commit, addedBytes = 0, files = 0, bytes = 0, seconds: bySteps } = await committed();
    steps = bySteps;
    return { snapshot: commit.snapshot, addedBytes, files, bytes };
  });
  const command = restic(`backup --json --host plain --exclude-file ${EXCLUDES} ${paths.join(" ")}`, PLAIN);
  const plain = await timed(async () => parseSummary(await onVm(command)));
  return { what, ours, plain, steps };
}

const directoryOf = ({ offsite }: Plan): string => `/var/lib/foundation-offsite/data/${offsite.username}/${PLAIN}`;

/** An empty repository for the plain one, and the patterns of ours. @returns what both back up */
async function prepare(plan: Plan): Promise<string[]> {
  const paths = layout(ROOTS);
  await onOffsite(`rm -rf ${directoryOf(plan)}`);
  await onVm("docker exec backup rm -rf /var/lib/backup/cache-other");
  await onVm(restic("init --quiet", PLAIN));
  await onVm(`docker exec -i backup sh -c 'cat >${EXCLUDES}'`, excludes({ plan, layout: paths }).join("\n"));
  return [paths.stage, paths.mirrors, ...plan.trees.map(({ path }) => path), ROOTS.kit];
}

/** Puts the next run of the schedule off by a whole interval: it would be measured along. */
async function postpone(): Promise<void> {
  await committed();
  await onVm("docker restart backup");
}

const ratioOf = ({ ours, plain }: Round): number => ours.seconds / plain.seconds;
const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB`;

function describe(rounds: readonly Round[]): string {
  const head = ["run", "ours", "plain restic", "ratio", "uploaded by ours", "by plain restic", "files", "of"];
  const rows = rounds.map((round) => {
    const { what, ours, plain } = round;
    const times = [ours, plain].map((took) => `${took.seconds.toFixed(1)} s`);
    const uploads = [mb(ours.addedBytes), mb(plain.addedBytes), String(ours.files), mb(ours.bytes)];
    return [what, ...times, ratioOf(round).toFixed(2), ...uploads];
  });
  const steps = rounds.map(({ what, steps }) => {
    const parts = Object.entries(steps).map(([name, took]) => `${name} ${took.toFixed(1)} s`);
    return `${what}: ${parts.join(", ")}`;
  });
  return [formatTable(head, rows), ...steps].join("\n");
}

const { values } = parseArgs({
  options: {
    gigabytes: { type: "string", default: "4" },
    files: { type: "string", default: "50000" },
    rounds: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
  },
});
const filling = { bytes: numberOf("gigabytes", values.gigabytes) * 1e9, files: numberOf("files", values.files) };
const plan = parsePlan("plan.json", await onVm("cat /etc/foundation/backup/plan.json"));
const { context } = await openVerifyContext();
const rounds: Round[] = [];
console.error(`filling: ${String(filling.files)} files of ${mb(filling.bytes)} in all`);
await postpone();
await fill(context, filling);
try {
  const paths = await prepare(plan);
  rounds.push(await both("first", paths));
  for (let round = 1; round <= numberOf("rounds", values.rounds); round++)
    rounds.push(await both(`unchanged ${String(round)}`, paths));
} finally {
  await clear(context);
  await onOffsite(`rm -rf ${directoryOf(plan)}`);
}
const [first, ...unchanged] = rounds as [Round, ...Round[]];
const result = {
  firstRatio: ratioOf(first),
  unchangedRatio: median(unchanged.map(ratioOf)),
  unchangedBytes: Math.max(...unchanged.map(({ ours }) => ours.addedBytes)),
};
const isWithin = result.firstRatio <= BUDGET.ratio && result.unchangedBytes < BUDGET.unchangedBytes;
if (values.json) console.log(JSON.stringify({ ...result, budget: BUDGET, isWithin, filling, rounds }, undefined, 2));
else {
  console.log(describe(rounds));
  console.log(
    `ratio: first ${result.firstRatio.toFixed(2)} (budget ${String(BUDGET.ratio)}), unchanged ${result.unchangedRatio.toFixed(2)}; ` +
      `an unchanged run uploads ${mb(result.unchangedBytes)} (budget ${mb(BUDGET.unchangedBytes)})`,
  );
}
process.exitCode = isWithin ? 0 : 1;
