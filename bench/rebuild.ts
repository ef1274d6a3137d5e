/**
 * Time of a rebuild by phase: the VM and the deployment's state are gone, what is left is the offsite with so much data,
 * the repository and the passphrase. From no VM to every service healthy with its data.
 *
 *     npm run sandbox && node_modules/.bin/node bench/rebuild.ts [--gigabytes 1] [--files 10000] [--json]
 *
 * Images are in the sandbox's registry, Debian's packages in its cache. The sandbox's data is lost.
 */
import { parseArgs } from "node:util";
import type { Commit } from "../backup/commit.ts";
import { formatTable } from "../sandbox/table.ts";
import { committed } from "../test/e2e/backup-job.ts";
import { openVerifyContext } from "../test/e2e/context.ts";
import { loseVm, onVm, sandbox } from "../test/e2e/rig.ts";
import { fill } from "./filling.ts";
import { numberOf, seconds } from "./statistics.ts";

const BUDGET_SECONDS = 360;
/** Steps of the deployment that are worth a line. */
const LONG_SECONDS = 1;

interface Phase {
  readonly what: string;
  readonly seconds: number;
}

interface Rebuild {
  readonly seconds: number;
  /** of `sandbox up` */
  readonly phases: readonly Phase[];
  /** of the deployment, as the engine timed them; several run at once */
  readonly steps: readonly Phase[];
  /** of the step `seed`, as it timed itself */
  readonly restored: readonly Phase[];
}

async function rebuild(): Promise<Rebuild> {
  let output = { stdout: "", stderr: "" };
  const took = await seconds(async () => {
    const { code, ...said } = await sandbox(["up", "--no-verify", "--json"]);
    if (code !== 0) throw new Error(said.stderr);
    output = said;
  });
  const done = output.stderr.matchAll(/engine: \+ \S+ (\S+) created {2}\(([\d.]+)s\)$/gm);
  const steps = [...done].map(([, what = "", time]) => ({ what, seconds: Number(time) }));
  const journal = JSON.parse(await onVm("cat /var/lib/foundation/seed/seed.json")) as {
    mode: string;
    seconds: Record<string, number>;
  };
  if (journal.mode !== "restored") throw new Error(`the stores were not restored: ${journal.mode}`);
  return {
    seconds: took,
    phases: (JSON.parse(output.stdout) as { phases: Phase[] }).phases,
    steps: steps.filter((step) => step.seconds >= LONG_SECONDS).sort((a, b) => b.seconds - a.seconds),
    restored: Object.entries(journal.seconds).map(([what, time]) => ({ what, seconds: time })),
  };
}

/** What two sets have to have in common if nothing was lost between them. */
const contentOf = ({ git, s3, postgres }: Commit): string => {
  const forge = postgres.databases.find(({ name }) => name === "forgejo")?.tables;
  return JSON.stringify({ git, s3, rows: forge?.["public.bench"], users: forge?.["public.user"] });
};

const { values } = parseArgs({
  options: {
    gigabytes: { type: "string", default: "1" },
    files: { type: "string", default: "10000" },
    json: { type: "boolean", default: false },
  },
});
const filling = { bytes: numberOf("gigabytes", values.gigabytes) * 1e9, files: numberOf("files", values.files) };
console.error(`filling: ${String(filling.files)} files of ${String(filling.bytes / 1e6)} MB in all`);
await fill((await openVerifyContext()).context, filling);
const { commit: before } = await committed();
await loseVm();
const result = await rebuild();
const { commit: after } = await committed();
const isWhole = contentOf(before) === contentOf(after);
const isWithin = isWhole && result.seconds <= BUDGET_SECONDS;
if (values.json) console.log(JSON.stringify({ ...result, isWhole, isWithin, filling }, undefined, 2));
else {
  const rows = (indent: string, phases: readonly Phase[]): string[][] =>
    phases.map(({ what, seconds: time }) => [`${indent}${what}`, `${time.toFixed(1)} s`]);
  const table = [
    ...rows("", result.phases),
    ...rows("  step ", result.steps),
    ...rows("    restored ", result.restored),
    ["all", `${result.seconds.toFixed(1)} s`],
  ];
  console.log(formatTable(["phase", "time"], table));
  console.log(
    `rebuild with ${String(filling.bytes / 1e9)} GB: ${result.seconds.toFixed(0)} s (budget ${String(BUDGET_SECONDS)}); ` +
      (isWhole ? "everything is there" : `before ${contentOf(before)}, after ${contentOf(after)}`),
  );
}
process.exitCode = isWithin ? 0 : 1;
