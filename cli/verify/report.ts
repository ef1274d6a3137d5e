import Table from "cli-table3";
import type { Config } from "../../config.ts";
import type { Result } from "./verify.ts";

const SYMBOL = { passed: "ok", failed: "FAILED", skipped: "skipped" } as const;
const TITLE_COLUMNS = 21;
const OUTCOME_COLUMNS = 9;
const SECONDS_COLUMNS = 9;
const BORDERS = 5;
const NO_LINES_BETWEEN = { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" };

/** What keeps jobs of Actions from the VM. */
export type RunnerState = Config["runner"]["isolation"] | "off";

/** The results as a table that fits the terminal, hints below it, the counts, and how jobs of Actions are isolated. */
export function formatTable(results: readonly Result[], columns: number, runner: RunnerState): string {
  const detail = Math.max(30, columns - TITLE_COLUMNS - OUTCOME_COLUMNS - SECONDS_COLUMNS - BORDERS);
  const table = new Table({
    head: ["check", "result", "time", "what was done"],
    colWidths: [TITLE_COLUMNS, OUTCOME_COLUMNS, SECONDS_COLUMNS, detail],
    colAligns: ["left", "left", "right", "left"],
    wordWrap: true,
    chars: NO_LINES_BETWEEN,
    style: { head: [], border: [] },
  });
  for (const { title, outcome, seconds, detail } of results) {
    table.push([title, SYMBOL[outcome], `${seconds.toFixed(1)} s`, detail]);
  }
  const hints = results.flatMap(({ title, hint }) => (hint === undefined ? [] : [`hint: ${title}: ${hint}`]));
  return [table.toString(), ...hints, formatCounts(results), `runner: ${runner}`].join("\n");
}

/** `N passed, N failed`, and `, N skipped` where some were. */
export function formatCounts(results: readonly Result[]): string {
  const count = (outcome: Result["outcome"]) => results.filter((result) => result.outcome === outcome).length;
  const skipped = count("skipped");
  return `${count("passed")} passed, ${count("failed")} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/** One line per check as it ends. */
export function formatProgress({ title, outcome, seconds }: Result): string {
  return `${SYMBOL[outcome].padEnd(8)} ${title} (${seconds.toFixed(1)} s)`;
}

/** As it is configured. */
export function isolationOf({ runner }: Pick<Config, "runner">): RunnerState {
  return runner.enabled ? runner.isolation : "off";
}
