import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planRetention } from "../../../cli/offsite/retention.ts";
import type { Snapshot } from "../../../cli/offsite/snapshot.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z") / 1000;
const DAY = 86_400;

const snapshot = (tag: string, seconds: number): Snapshot => ({
  id: `${tag} ${new Date(seconds * 1000).toISOString().slice(0, 16)}`,
  seconds,
  hostname: "foundation",
  paths: [],
  tags: [tag],
});
/** A whole backup: the set and, a minute later, its marker. */
const backup = (seconds: number): Snapshot[] => [snapshot("set", seconds), snapshot("commit", seconds + 60)];
const kept = (snapshots: readonly Snapshot[]): string[] => [...planRetention(snapshots, NOW).keep];

describe("planRetention", () => {
  it("keeps all of fourteen days", () => {
    const snapshots = Array.from({ length: 13 * 24 }, (_, hour) => backup(NOW - 13 * DAY + hour * 3600)).flat();
    expect(planRetention(snapshots, NOW).forget).toEqual([]);
  });

  it("keeps the last backup of each day before that", () => {
    const day = Date.parse("2026-10-20T00:00:00Z") / 1000;
    const snapshots = [backup(day + 3600), backup(day + 7200), backup(day + 23 * 3600), backup(day + DAY)].flat();
    expect(kept([...snapshots, ...backup(NOW - 60)])).toEqual([
      "set 2026-10-20T23:00",
      "commit 2026-10-20T23:01",
      "set 2026-10-21T00:00",
      "commit 2026-10-21T00:01",
      "set 2026-11-21T11:59",
      "commit 2026-11-21T12:00",
    ]);
  });

  it("keeps the last backup of each week, which begins on Monday, before that, and nothing after a year", () => {
    const monday = Date.parse("2026-03-02T10:00:00Z") / 1000;
    const snapshots = [backup(NOW - 400 * DAY), backup(monday - DAY), backup(monday), backup(monday + 6 * DAY)].flat();
    expect(kept(snapshots)).toEqual([
      "set 2026-03-01T10:00",
      "commit 2026-03-01T10:01",
      "set 2026-03-08T10:00",
      "commit 2026-03-08T10:01",
    ]);
  });

  it("never parts a marker from its set, also where a day ends between the two or a set has no marker", () => {
    const midnight = Date.parse("2026-10-20T00:00:00Z") / 1000;
    const snapshots = [
      ...backup(midnight - 7200),
      snapshot("set", midnight - 600),
      snapshot("set", midnight - 30),
      snapshot("commit", midnight + 30),
      snapshot("set", midnight + 3600),
    ];
    expect(planRetention(snapshots, NOW)).toEqual({
      keep: [
        "set 2026-10-19T22:00",
        "commit 2026-10-19T22:01",
        "set 2026-10-19T23:50",
        "set 2026-10-19T23:59",
        "commit 2026-10-20T00:00",
        // nothing says yet what the last one is part of
        "set 2026-10-20T01:00",
      ],
      forget: [],
    });
  });

  it("keeps the newest backup and every set of what it keeps, whatever there is", () => {
    const minutes = fc.uniqueArray(fc.integer({ min: 0, max: 450 * 24 * 60 }), { maxLength: 60 });
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }), minutes, (committed, ages) => {
        const snapshots = ages
          .toSorted((a, b) => b - a)
          .map((age, index) => snapshot(committed[index] ? "commit" : "set", NOW - age * 60));
        const { keep, forget } = planRetention(snapshots, NOW);
        const ids = snapshots.map(({ id }) => id);
        expect([...keep, ...forget].sort()).toEqual(ids.toSorted());
        for (const [index, id] of ids.entries()) {
          const set = ids[index - 1];
          if (id.startsWith("commit") && keep.includes(id) && set?.startsWith("set")) expect(keep).toContain(set);
        }
        const newest = snapshots.findLast(({ tags, seconds }) => tags[0] === "commit" && NOW - seconds < 366 * DAY);
        if (newest) expect(keep).toContain(newest.id);
      }),
    );
  });
});
