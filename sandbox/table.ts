import Table from "cli-table3";

// Lines between rows make a table twice as long and no clearer.
const COMPACT = { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" };

/** A plain table for a terminal or a log. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({ head: [...head], chars: COMPACT, style: { head: [], border: [] } });
  for (const row of rows) table.push([...row]);
  return table.toString();
}
