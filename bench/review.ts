/**
 * How long `foundation review` takes on this repository, in an empty environment: wall clock of the real command, from
 * its start to its end, base and working tree recorded side by side.
 *
 *     node_modules/.bin/node bench/review.ts [ROUNDS] [BASE]
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { median, quantile, seconds } from "./statistics.ts";

const BUDGET_SECONDS = 5;

const project = join(import.meta.dirname, "..");
const rounds = Number(process.argv[2] ?? 5);
const base = process.argv[3] ?? "main";

function review(): void {
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(project, "cli/foundation.mjs"), "review", "--base", base],
    {
      // nothing but the path: no passphrase, no agent, no token
      env: { PATH: process.env["PATH"] },
      encoding: "utf8",
    },
  );
  if (![0, 2, 8].includes(status ?? -1)) throw new Error(stderr);
}

review(); // reads every file once
const times: number[] = [];
for (let round = 0; round < rounds; round++) times.push(await seconds(() => Promise.resolve(review())));
const [middle, p95] = [median(times), quantile(times, 0.95)];
console.log(
  `review against ${base}: median ${middle.toFixed(1)} s, p95 ${p95.toFixed(1)} s (budget ${BUDGET_SECONDS})`,
);
process.exitCode = middle <= BUDGET_SECONDS ? 0 : 1;
