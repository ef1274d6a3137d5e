import { expect, it } from "vitest";
import { renderMetrics } from "../../backup/metrics.ts";
import { describeStatus, type Status } from "../../backup/status.ts";
import type { DrillReport } from "../../backup/drill-record.ts";

const none: Status = {
  ...{ version: 1, vmId: "v", everyMinutes: 15 },
  ...{ last: null, commit: null, check: null, collection: null, rebuilt: null },
};
const now = new Date("2026-01-31T12:10:00Z");
const values = (lines: string[]): string[] => lines.filter((line) => !line.startsWith("#"));

it("a VM that has done nothing yet says how often it should", () => {
  expect(renderMetrics({ ...describeStatus(none, now), drill: null })).toEqual([
    "# HELP foundation_backup_healthy Whether the newest backup is recent and the last run made one.",
    "# TYPE foundation_backup_healthy gauge",
    "foundation_backup_healthy 1",
    "# HELP foundation_backup_interval_seconds A backup is due as often as this.",
    "# TYPE foundation_backup_interval_seconds gauge",
    "foundation_backup_interval_seconds 900",
  ]);
});

const finished = "2026-01-31T12:00:16.500Z";
const full: Status = {
  ...none,
  last: {
    run: "r",
    started: "2026-01-31T12:00:00.000Z",
    finished,
    outcome: "degraded",
    degraded: [{ part: "canary in git", reason: "forge: down" }],
    seconds: { postgres: 1.5, upload: 7.25 },
    addedBytes: 2000,
  },
  commit: { run: "r", snapshot: "5", finished },
  check: { finished: "2026-01-31T01:00:00Z", part: "1/28", reason: "pack 12" },
  collection: { finished, removed: 1, bytes: 2, waiting: 3 },
  rebuilt: { finished, snapshot: "5", stores: ["row"], problems: [] },
};
const drill = { outcome: "passed", started: "2026-01-31T02:00:00Z", seconds: 17 } as DrillReport;

it("everything that is known is a figure", () => {
  expect(values(renderMetrics({ ...describeStatus(full, now), drill }))).toEqual([
    "foundation_backup_healthy 1",
    "foundation_backup_interval_seconds 900",
    "foundation_backup_commit_timestamp_seconds 1769860816.5",
    "foundation_backup_age_seconds 584",
    "foundation_backup_last_run_timestamp_seconds 1769860816.5",
    "foundation_backup_last_run_success 1",
    "foundation_backup_last_run_seconds 16.5",
    "foundation_backup_added_bytes 2000",
    'foundation_backup_phase_seconds{phase="postgres"} 1.5',
    'foundation_backup_phase_seconds{phase="upload"} 7.25',
    'foundation_backup_degraded{part="canary in git"} 1',
    "foundation_check_timestamp_seconds 1769821200",
    "foundation_check_success 0",
    "foundation_mirror_collection_success 1",
    "foundation_rebuilt_success 1",
    "foundation_drill_timestamp_seconds 1769824800",
    "foundation_drill_success 1",
    "foundation_drill_seconds 17",
  ]);
});
