import { expect, test } from "vitest";
import type { DrillReport } from "../../backup/drill-record.ts";
import { isDrillDue } from "../../backup/drill-schedule.ts";

const now = new Date("2026-01-31T12:00:00Z");
const last = (started: string, outcome: DrillReport["outcome"] = "passed") => ({ started, outcome }) as DrillReport;

test.each([
  ["there was none", null, true],
  ["23 h ago", last("2026-01-30T13:00:00Z"), false],
  ["a day ago", last("2026-01-30T12:00:00Z"), true],
  ["an hour ago, and it could not look", last("2026-01-31T11:00:00Z", "error"), true],
  ["an hour ago, and the backup was bad", last("2026-01-31T11:00:00Z", "failed"), true],
  ["half an hour ago, and the backup was bad", last("2026-01-31T11:30:00Z", "failed"), false],
  ["in the future, by a clock that was wrong", last("2026-02-03T12:00:00Z"), true],
])("a drill is due: %s", (_when, report, due) => {
  expect(isDrillDue(report, now)).toBe(due);
});
