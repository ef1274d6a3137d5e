/**
 * What the deployed sandbox costs while nobody uses it, and how long a look at it takes.
 *
 *     npm run sandbox && node_modules/.bin/node bench/idle.ts [ROUNDS]
 *
 * Memory is the proportional set size of every process of a container, so that pages shared by PostgreSQL's processes
 * count once.
 */
import { engine, onVm } from "../test/e2e/rig.ts";
import { median, seconds } from "./statistics.ts";

const BUDGET = { memoryMiB: 2048, previewSeconds: 3, upSeconds: 6 };

const MEMORY = `for c in $(docker ps --format '{{.Names}}' | sort); do
  total=0
  for p in $(docker top $c -o pid | tail -n +2); do
    total=$((total + $(awk '/^Pss:/ { print $2 }' /proc/$p/smaps_rollup 2>/dev/null || echo 0)))
  done
  echo "$c $total"
done`;

const rounds = Number(process.argv[2] ?? 5);
const memory = (await onVm(MEMORY))
  .trim()
  .split("\n")
  .map((line) => line.split(" ") as [string, string]);
for (const [name, kib] of memory) console.log(`${name.padEnd(10)} ${(Number(kib) / 1024).toFixed(0).padStart(5)} MiB`);
const totalMiB = memory.reduce((sum, [, kib]) => sum + Number(kib) / 1024, 0);
console.log(`${"total".padEnd(10)} ${totalMiB.toFixed(0).padStart(5)} MiB (budget ${String(BUDGET.memoryMiB)})`);

async function time(command: "preview" | "up"): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    times.push(
      await seconds(async () => {
        const { code, stderr } = await engine([command]);
        if (code !== 0) throw new Error(stderr);
      }),
    );
  }
  return median(times);
}

const preview = await time("preview");
const up = await time("up");
console.log(`preview without changes: ${preview.toFixed(1)} s (budget ${String(BUDGET.previewSeconds)})`);
console.log(`up without changes: ${up.toFixed(1)} s (budget ${String(BUDGET.upSeconds)})`);
process.exitCode = totalMiB <= BUDGET.memoryMiB && preview <= BUDGET.previewSeconds && up <= BUDGET.upSeconds ? 0 : 1;
