import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planRetention } from "../../../cli/offsite/retention.ts";
import type { Snapshot } from "../../../cli/offsite/snapshot.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z") / 1000;
const DAY = 86_400;

const snapshot = (tag: string, seconds: number, ...tags: string[]): Snapshot => ({
  id: `${tag} ${new Date(seconds * 1000).toISOString().slice(0, 16)}`,
  seconds,
  hostname: "foundation",
  paths: [],
  tags: [tag, ...tags],
});
/** A whole backup: the set and, a minute later, its marker. */
function backup(seconds: number, minutes = 1): Snapshot[] {
  const set = snapshot("set", seconds);
  return [set, snapshot("commit", seconds + minutes * 60, `set-${set.id}`)];
}
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

  it("never parts a marker from its set, also where a day ends between the two", () => {
    const midnight = Date.parse("2026-10-20T00:00:00Z") / 1000;
    const [set, commit] = backup(midnight - 1800, 45);
    const snapshots = [
      ...backup(midnight - 7200),
      ...(set ? [set] : []),
      // Without a marker it is no backup, although it is the last set of its day.
      snapshot("set", midnight - 600),
      ...(commit ? [commit] : []),
    ];
    expect(planRetention(snapshots, NOW)).toEqual({
      keep: ["set 2026-10-19T22:00", "commit 2026-10-19T22:01", "set 2026-10-19T23:30", "commit 2026-10-20T00:15"],
      forget: ["set 2026-10-19T23:50"],
    });
  });

  it("keeps the newest backup of a year and the set of every marker that it keeps, whatever there is", () => {
    const ages = fc.uniqueArray(fc.integer({ min: 0, max: 450 * 24 * 60 }), { maxLength: 60 });
    fc.assert(
      fc.property(ages, (minutes) => {
        const snapshots = minutes
          .toSorted((a, b) => b - a)
          .flatMap((age) => backup(NOW - age * 60 - 120, age % 90))
          .toSorted((a, b) => a.seconds - b.seconds);
        // Named by the minute here: two that end in the same one would be one.
        fc.pre(new Set(snapshots.map(({ id }) => id)).size === snapshots.length);
        const { keep, forget } = planRetention(snapshots, NOW);
        expect([...keep, ...forget].sort()).toEqual(snapshots.map(({ id }) => id).sort());
        for (const { id, tags } of snapshots)
          if (tags[1] !== undefined && keep.includes(id)) expect(keep).toContain(tags[1].slice("set-".length));
        const newest = snapshots.findLast(({ tags, seconds }) => tags[0] === "commit" && NOW - seconds < 366 * DAY);
        if (newest) expect(keep).toContain(newest.id);
      }),
    );
  });
});
