import { expect, test } from "vitest";
import type { DrillReport } from "../../../backup/drill-record.ts";
import { addGit } from "../../../cli/drill/drill.ts";
import { formatReport, renderPage } from "../../../cli/drill/report.ts";
import { EXIT } from "../../../errors.ts";

const report: DrillReport = {
  version: 1,
  owner: "aaaaaaaaaaaaaaaa",
  outcome: "passed",
  exitCode: EXIT.ok,
  started: "2026-01-31T12:00:00.000Z",
  seconds: 20,
  backup: { snapshot: "c".repeat(64), run: "11111111-2222-3333-4444-555555555555", finished: "2026-01-31T11:00:00Z" },
  phases: [
    { name: "restore", outcome: "passed", startSecond: 0, seconds: 15, detail: "10 files, 20 bytes", problems: [] },
    { name: "git", outcome: "passed", startSecond: 15, seconds: 5, detail: "2 repositories <all>", problems: [] },
  ],
};
const output = (...lines: string[]) => [JSON.stringify(report), ...lines].join("\n");

test("git's verdict is added to the job's", () => {
  const { phases, ...whole } = addGit(output("fsck 2"), 24.5);
  expect(whole).toMatchObject({ outcome: "passed", exitCode: EXIT.ok, seconds: 24.5 });
  expect(phases.at(-1)).toEqual({
    name: "git fsck",
    outcome: "passed",
    startSecond: 20,
    seconds: 4.5,
    detail: "2 repositories, every object read",
    problems: [],
  });
});

test("a repository that git finds wrong fails the drill", () => {
  const found = addGit(output("bad a/b.git: missing blob 1234", "fsck 2"), 24.5);
  expect([found.outcome, found.exitCode]).toEqual(["failed", EXIT.failed]);
  expect(formatReport(found, 80)).toBe(`┌──────────────────────┬─────────┬─────────┬───────────────────────────────────┐
│ phase                │ result  │    time │ what was done                     │
│ restore              │ ok      │  15.0 s │ 10 files, 20 bytes                │
│ git                  │ ok      │   5.0 s │ 2 repositories <all>              │
│ git fsck             │ FAILED  │   4.5 s │ 2 repositories, every object read │
└──────────────────────┴─────────┴─────────┴───────────────────────────────────┘
a/b.git: missing blob 1234
FAILED: this backup is bad (backup cccccccc of 2026-01-31T11:00:00Z, 24.5 s)`);
});

test("git that was cut off is no verdict", () => {
  expect(() => addGit(output("bad a/b.git: x"), 1)).toThrow("drill: git did not come to its end");
});

test("a drill that could not look has nothing for git", () => {
  const error = { ...report, outcome: "error", exitCode: EXIT.unreachable, phases: [], backup: null };
  const found = addGit(JSON.stringify(error), 3);
  expect(found).toEqual(error);
  expect(formatReport(found, 80).split("\n").at(-1)).toBe(
    "ERROR: the drill could not look; nothing is known about the backup (no backup, 20.0 s)",
  );
});

test("the page holds everything itself and shows text as text", () => {
  const page = renderPage(report);
  expect(page).toContain("2 repositories &lt;all&gt;");
  expect(page).toContain('<i style="left:75.00%;width:25.00%"></i>');
  expect(page).toContain("passed: this backup can be restored (backup cccccccc of 2026-01-31T11:00:00Z, 20.0 s)");
  expect(page).not.toMatch(/src=|href=|<script|url\(/);
});
