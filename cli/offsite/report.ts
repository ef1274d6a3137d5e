import type { OffsiteFacts } from "./offsite.ts";
import { show } from "./quarantine.ts";

const GIB = 2 ** 30;

/** What the offsite is and holds, for people. */
export function formatFacts(facts: OffsiteFacts, problems: readonly string[]): string {
  const { generation, newestSeconds, prunedSeconds } = facts;
  const rows: [string, string][] = [
    ["server", facts.server],
    ["foundation", facts.owner],
    ["VM", generation ? `number ${String(generation.generation)}, since ${generation.since}` : "none yet"],
    ["held", `${gibibytes(facts.bytes)} in ${String(facts.snapshots)} snapshots; ${gibibytes(facts.freeBytes)} free`],
    [
      "newest",
      newestSeconds === undefined ? "none" : `${show(newestSeconds)}, ${minutes(facts.nowSeconds - newestSeconds)} ago`,
    ],
    ["pruned", prunedSeconds === undefined ? "never" : show(prunedSeconds)],
  ];
  return [...rows.map(([name, value]) => `${name.padEnd(10)}  ${value}`), ...problems.map((line) => `! ${line}`)].join(
    "\n",
  );
}

const gibibytes = (bytes: number): string => `${(bytes / GIB).toFixed(2)} GiB`;
const minutes = (seconds: number): string => `${String(Math.round(seconds / 60))} min`;
