import { beforeEach, expect, test } from "vitest";
import { DrillRecord } from "../../backup/drill-record.ts";
import { EXIT, UserError } from "../../errors.ts";

let lines: string[];
let record: DrillRecord;

beforeEach(() => {
  lines = [];
  let second = 0;
  record = new DrillRecord({
    now: () => new Date(Date.UTC(2026, 0, 1, 0, 0, second++)),
    report: (line) => lines.push(line),
  });
});

const found = (problems: string[] = []) => Promise.resolve({ detail: "looked", problems, value: 1 });

test("a drill that finds nothing wrong has passed", async () => {
  expect(await record.phase("git", () => found())).toBe(1);
  const skipped = () => Promise.resolve({ detail: "not in it", problems: [], skipped: true as const, value: 0 });
  await record.phase("Vault", skipped);
  expect(record.report("ab")).toMatchObject({ outcome: "passed", exitCode: EXIT.ok, seconds: 5, backup: null });
  expect(lines).toEqual(["drill: git: passed (1.0 s): looked", "drill: Vault: skipped (1.0 s): not in it"]);
});

test("problems, and what cannot be restored, are the backup's fault; the other phases are run all the same", async () => {
  await record.phase("git", () => found(Array.from({ length: 22 }, (_, index) => `ref ${String(index)}`)));
  await record.phase("database", () => Promise.reject(new UserError("dump: truncated", "again")));
  await record.phase("room", () => Promise.reject(new UserError("no room", "df", EXIT.host)));
  const { outcome, exitCode, phases } = record.report("ab");
  expect([outcome, exitCode]).toEqual(["failed", EXIT.failed]);
  expect(phases.map((phase) => [phase.outcome, phase.problems.length])).toEqual([
    ["failed", 21],
    ["failed", 0],
    ["error", 0],
  ]);
  expect(lines.at(21)).toBe("drill: and 2 more");
});

test("not having been able to look is no verdict", async () => {
  await record.phase("find", () => Promise.reject(new UserError("offsite: refused", "up?", EXIT.unreachable)));
  expect(record.report("ab")).toMatchObject({ outcome: "error", exitCode: EXIT.unreachable });
  await record.phase("defect", () => Promise.reject(new TypeError("x is not a function")));
  expect(record.report("ab")).toMatchObject({ outcome: "error", exitCode: EXIT.unreachable });
});

test("Ctrl-C ends it", async () => {
  const interrupted = new UserError("interrupted", "again", EXIT.interrupted);
  await expect(record.phase("restore", () => Promise.reject(interrupted))).rejects.toBe(interrupted);
});
