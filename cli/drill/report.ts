import Table from "cli-table3";
import type { DrillReport, Outcome, Phase } from "../../backup/drill-record.ts";

const WORD: Readonly<Record<Outcome, string>> = { passed: "ok", failed: "FAILED", error: "ERROR", skipped: "skipped" };
const VERDICT: Readonly<Record<DrillReport["outcome"], string>> = {
  passed: "passed: this backup can be restored",
  failed: "FAILED: this backup is bad",
  error: "ERROR: the drill could not look; nothing is known about the backup",
};
const FIXED_COLUMNS = 42;

/** The phases as a table, problems below it, the verdict last. */
export function formatReport(report: DrillReport, columns: number): string {
  const table = new Table({
    head: ["phase", "result", "time", "what was done"],
    colWidths: [22, 9, 9, Math.max(30, columns - FIXED_COLUMNS - 3)],
    colAligns: ["left", "left", "right", "left"],
    wordWrap: true,
    chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
    style: { head: [], border: [] },
  });
  for (const { name, outcome, seconds, detail } of report.phases) {
    table.push([name, WORD[outcome], `${seconds.toFixed(1)} s`, detail]);
  }
  const problems = report.phases.flatMap((phase) => phase.problems);
  return [table.toString(), ...problems, formatVerdict(report)].join("\n");
}

function formatVerdict({ outcome, backup, rebuilt, seconds }: DrillReport): string {
  const which = backup ? `backup ${backup.snapshot.slice(0, 8)} of ${backup.finished}` : "no backup";
  const how = rebuilt ? `rebuilt in ${rebuilt.seconds.toFixed(1)} s, ` : "";
  return `${VERDICT[outcome]} (${which}, ${how}${seconds.toFixed(1)} s)`;
}

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c;background:#fff}
h1{font-size:1.3rem}table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .5rem;border-top:1px solid #ddd}
.passed{color:#176f2c}.failed,.error{color:#b3261e;font-weight:600}.skipped{color:#666}.time{text-align:right;white-space:nowrap}
.bar{position:relative;height:.9rem;background:#eee;min-width:12rem}.bar i{position:absolute;top:0;bottom:0;min-width:2px;background:#3b6ea5}
.failed .bar i,.error .bar i{background:#b3261e}li{font-family:ui-monospace,monospace;font-size:13px}`;

/** The report as one page that needs nothing else: verdict, timeline, problems. */
export function renderPage(report: DrillReport): string {
  const title = `Drill of ${report.started}`;
  const problems = report.phases.flatMap((phase) => phase.problems);
  const list = problems.map((problem) => `<li>${escape(problem)}</li>`).join("");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escape(title)}</title><style>${STYLE}</style></head><body>
<h1>${escape(title)}</h1>
<p class="${report.outcome}">${escape(formatVerdict(report))}</p>
<table><tr><th>phase</th><th>result</th><th class="time">time</th><th>timeline</th><th>what was done</th></tr>
${report.phases.map((phase) => renderPhase(phase, report.seconds)).join("\n")}
</table>
${problems.length > 0 ? `<h2>What is wrong</h2><ul>${list}</ul>` : ""}
<p>Foundation ${escape(report.owner)}${report.backup?.run ? `, run ${escape(report.backup.run)}` : ""}</p>
</body></html>
`;
}

function renderPhase({ name, outcome, startSecond, seconds, detail }: Phase, total: number): string {
  const percent = (value: number) => ((100 * value) / Math.max(total, 0.1)).toFixed(2);
  const bar = `<i style="left:${percent(startSecond)}%;width:${percent(seconds)}%"></i>`;
  return (
    `<tr class="${outcome}"><td>${escape(name)}</td><td>${WORD[outcome]}</td><td class="time">${seconds.toFixed(1)} s</td>` +
    `<td><div class="bar">${bar}</div></td><td>${escape(detail)}</td></tr>`
  );
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
