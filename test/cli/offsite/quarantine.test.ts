import { describe, expect, it } from "vitest";
import { parseTime, requireRecoverable, summariseFiles } from "../../../cli/offsite/quarantine.ts";
import { parseFiles } from "../../../cli/offsite/snapshot.ts";

const AFTER = Date.parse("2026-11-21T10:00:00Z") / 1000;
const newer = parseFiles(
  `keys ${"1".repeat(64)} ${String(AFTER + 5)} 455\nsnapshots ${"2".repeat(64)} ${String(AFTER + 9)} 12`,
);
const facts = { newer, keys: 2, prunedSeconds: undefined, nowSeconds: AFTER + 3600 };

describe("requireRecoverable", () => {
  it("lets go on where the backups from before can be read afterwards", () => {
    expect(() => requireRecoverable(AFTER, facts)).not.toThrow();
    expect(() => requireRecoverable(AFTER, { ...facts, prunedSeconds: AFTER - 1 })).not.toThrow();
  });

  it.each([
    [
      { nowSeconds: AFTER - 1 },
      "offsite: 2026-11-21T10:00:00Z has not come yet",
      "--after TIME: when all was still well",
      64,
    ],
    [
      { prunedSeconds: AFTER + 60 },
      "offsite: there was a prune at 2026-11-21T10:01:00Z, which rewrote what older backups consist of",
      "--after 2026-11-21T11:01:00Z, or later",
      8,
    ],
    [
      { keys: 1 },
      "offsite: the repository is newer than 2026-11-21T10:00:00Z: nothing of it would be left",
      "--after TIME: when all was still well",
      8,
    ],
  ])("refuses otherwise: %j", (changes, message, hint, exitCode) => {
    expect(() => requireRecoverable(AFTER, { ...facts, ...changes })).toThrow(
      expect.objectContaining({ message, hint, exitCode }),
    );
  });
});

it("counts what is moved", () => expect(summariseFiles(newer)).toBe("1 keys, 0 locks, 0 index, 1 snapshots"));

it("takes times with their zone only", () => {
  expect(parseTime("--after", "2026-11-21T12:00:00+02:00")).toBe(AFTER);
  for (const text of ["2026-11-21", "2026-11-21T10:00:00", "yesterday", "2026-13-01T00:00Z"])
    expect(() => parseTime("--after", text)).toThrow(
      expect.objectContaining({
        message: `offsite: --after: not a time with its zone: ${text}`,
        hint: "such as --after 2026-01-31T12:00:00Z",
        exitCode: 64,
      }),
    );
});
