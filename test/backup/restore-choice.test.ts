import { describe, expect, it } from "vitest";
import { EXIT, UserError } from "../../errors.ts";
import type { Commit } from "../../backup/commit.ts";
import { type Backups, chooseBackup, parseChoice } from "../../backup/restore-choice.ts";

const OWNER = "00112233445566aa";
const digits = (text: string): string => text.repeat(64).slice(0, 64);

interface Marker {
  readonly set: string;
  readonly time: string;
  readonly owner?: string;
  readonly garbage?: true;
}

/** The sets of an offsite, oldest first. */
function backups(
  ...markers: Marker[]
): Backups & { readonly read: (set: { snapshot: string }) => Promise<Commit>; said: string[] } {
  const said: string[] = [];
  return {
    said,
    list: () =>
      Promise.resolve(
        markers
          .map(({ set, time }, at) => ({ snapshot: set, commit: digits(`c${String(at)}`), time, degraded: false }))
          .reverse(),
      ),
    read: ({ snapshot }) => {
      const marker = markers.find(({ set }) => set === snapshot);
      if (marker?.garbage) return Promise.reject(new UserError(`${snapshot.slice(0, 8)}: commit.json: not JSON`, ""));
      return Promise.resolve({ owner: marker?.owner ?? OWNER, snapshot, finished: marker?.time } as Commit);
    },
    report: (line) => said.push(line),
  };
}

const FIRST = { set: digits("a1"), time: "2026-01-31T10:00:00.123456789Z" };
const SECOND = { set: digits("b2"), time: "2026-01-31T11:00:00Z" };
const LAST = { set: digits("b3"), time: "2026-01-31T12:00:00Z" };

describe("what is wanted", () => {
  it("is the newest, an id or a time", () => {
    expect(parseChoice("x", "auto")).toEqual({ kind: "newest" });
    expect(parseChoice("x", "0123abcd")).toEqual({ kind: "id", id: "0123abcd" });
    expect(parseChoice("x", "2026-01-31T12:00:00+02:00")).toEqual({ kind: "time", time: "2026-01-31T10:00:00.000Z" });
  });

  it.each(["yesterday", "0123abc", "2026-01-31", "2026-01-31T12:00:00", "2026-13-31T12:00:00Z"])(
    "is not: %s",
    (text) => {
      expect(() => parseChoice("foundation:seed", text)).toThrow(
        expect.objectContaining({
          message: `foundation:seed: neither a snapshot id nor a time: ${text}`,
          hint: "an id of npx foundation backup list, or a time such as 2026-01-31T12:00:00Z",
          exitCode: EXIT.config,
        }),
      );
    },
  );
});

describe("the backup that is chosen", () => {
  const choose = (choice: string, ...markers: Marker[]) =>
    chooseBackup(backups(...markers), parseChoice("x", choice), OWNER);

  it("is the newest, or none", async () => {
    expect(await choose("auto", FIRST, SECOND, LAST)).toMatchObject({ snapshot: LAST.set });
    expect(await choose("auto")).toBeUndefined();
  });

  it("is the one with that id, of its set or of its marker", async () => {
    expect(await choose(digits("b2").slice(0, 8), FIRST, SECOND, LAST)).toMatchObject({ snapshot: SECOND.set });
    expect(await choose(digits("c0").slice(0, 12), FIRST, SECOND, LAST)).toMatchObject({ snapshot: FIRST.set });
    await expect(choose("0123abcd", FIRST)).rejects.toMatchObject({ message: "backup: no set 0123abcd" });
  });

  it("is the newest that was there at a time", async () => {
    expect(await choose("2026-01-31T11:59:59Z", FIRST, SECOND, LAST)).toMatchObject({ snapshot: SECOND.set });
    expect(await choose("2026-01-31T12:00:00+01:00", FIRST, SECOND, LAST)).toMatchObject({ snapshot: SECOND.set });
    await expect(choose("2026-01-31T09:59:59Z", FIRST, SECOND)).rejects.toMatchObject({
      message: "backup: none is as old as 2026-01-31T09:59:59.000Z",
      hint: "the first one is of 2026-01-31T10:00:00.123Z",
    });
    await expect(choose("2026-01-31T09:59:59Z")).rejects.toMatchObject({ hint: "there is none at all" });
  });

  it("passes over what is none, and says so", async () => {
    const offsite = backups(FIRST, { ...SECOND, garbage: true });
    expect(await chooseBackup(offsite, { kind: "newest" }, OWNER)).toMatchObject({ snapshot: FIRST.set });
    expect(offsite.said).toEqual(["restore: b2b2b2b2: commit.json: not JSON"]);
  });

  it("is never none where there are some that cannot be read", async () => {
    await expect(choose("auto", { ...FIRST, garbage: true })).rejects.toMatchObject({
      message: "backup: there are 1, and none has a marker that can be read",
      hint: "npx foundation offsite check; to begin anew all the same: pulumi config set foundation:seed fresh",
      exitCode: EXIT.refused,
    });
  });

  it("is never that of another foundation", async () => {
    const other = { ...LAST, owner: "ffffffffffffffff" };
    expect(await choose("auto", FIRST, other)).toMatchObject({ snapshot: FIRST.set });
    for (const choice of ["auto", LAST.set, "2026-01-31T23:00:00Z"]) {
      await expect(choose(choice, other)).rejects.toMatchObject({
        message: "backup: b3b3b3b3 is one of the foundation ffffffffffffffff, not of 00112233445566aa",
        hint: "check that the key file and the offsite belong together",
        exitCode: EXIT.refused,
      });
    }
  });
});
