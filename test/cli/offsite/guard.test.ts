import { expect, test } from "vitest";
import { findSuspicious, findUnreadable } from "../../../cli/offsite/guard.ts";
import { parseFiles, parseSnapshots } from "../../../cli/offsite/snapshot.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z") / 1000;
const ID = "a".repeat(64);

function suspicion(changes: object, writtenSeconds = NOW - 1800): unknown {
  const genuine = { id: ID, time: "2026-11-21T11:00:00.5Z", hostname: "foundation", paths: ["/x"], tags: ["set"] };
  const snapshots = parseSnapshots(JSON.stringify([{ ...genuine, ...changes }]));
  return findSuspicious(snapshots, parseFiles(`snapshots ${ID} ${String(writtenSeconds)}.25 300`), NOW)[0]?.reason;
}

test("a snapshot of the job that was written when it says is trusted", () => {
  expect(suspicion({})).toBeUndefined();
  for (const tags of [
    ["commit", `set-${ID}`],
    ["commit", `set-${ID}`, "degraded"],
  ])
    expect(suspicion({ tags, time: "2026-11-21T12:04:00+00:00" }, NOW)).toBeUndefined();
});

test.each([
  [{ time: "2026-10-01T23:59:00Z" }, "says 2026-10-01T23:59:00Z, and was written 2026-11-21T11:30:00Z"],
  [{ time: "2026-11-21T13:00:00Z" }, "is from the future: 2026-11-21T13:00:00Z"],
  [{ hostname: "box" }, "is of host box, not foundation"],
  [{ tags: undefined }, "has the tags of nobody"],
  [{ tags: ["set", "commit"] }, "has the tags set, commit"],
  [{ tags: ["commit"] }, "has the tags commit"],
  [{ id: "b".repeat(64) }, "has no file on the offsite"],
])("another one is not: %j", (changes, reason) => {
  expect(suspicion(changes)).toBe(reason);
});

test("a file that restic does not list is no snapshot", () => {
  const upload = `${"c".repeat(64)}.rest-server-temp123`;
  const files = parseFiles(`snapshots ${ID} 10 300\nsnapshots ${"b".repeat(64)} 20 7\nsnapshots ${upload} 30 0`);
  const snapshots = parseSnapshots(JSON.stringify([{ id: ID, time: "2026-11-21T11:00:00Z" }]));
  expect(findUnreadable(snapshots, files).map(({ name }) => name)).toEqual(["b".repeat(64)]);
});

test("lists are read oldest first; what is no file of a repository is left out", () => {
  expect(parseSnapshots("null")).toEqual([]);
  expect(() => parseSnapshots("<html>")).toThrow("offsite: restic's list of snapshots cannot be read");
  const times = ["2026-11-21T11:00:00Z", "2026-11-21T12:00:00+02:00"].map((time) => ({ id: ID, time }));
  expect(parseSnapshots(JSON.stringify(times)).map(({ seconds }) => seconds)).toEqual([NOW - 7200, NOW - 3600]);
  expect(parseFiles(`index ${ID} 20 5\n/var/lib/foundation-offsite/x\nkeys ../x/y 1 1\nkeys k 10.5 455\n`)).toEqual([
    { kind: "keys", name: "k", seconds: 10.5, bytes: 455 },
    { kind: "index", name: ID, seconds: 20, bytes: 5 },
  ]);
});
