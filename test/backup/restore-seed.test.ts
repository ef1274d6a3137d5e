import { describe, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import type { Commit } from "../../backup/commit.ts";
import { type Journal, parseJournal, renderJournal } from "../../backup/restore-journal.ts";
import { seed, type SeedEffects } from "../../backup/restore-seed.ts";

const OWNER = "00112233445566aa";
const SNAPSHOT = "ab".repeat(32);
const OTHER = "cd".repeat(32);

class Killed extends Error {}

/** A VM with stores that are empty or not, and an offsite. */
class Vm {
  journal: string | undefined;
  /** what the stores hold */
  data: string[] = [];
  sets = [SNAPSHOT];
  log: string[] = [];
  /** what the last run did, in order */
  effects: string[] = [];

  async seed(request = "auto", killAt = Infinity): Promise<Journal> {
    this.effects = [];
    return await seed(this.#seam(killAt), OWNER, request);
  }

  #seam(killAt: number): SeedEffects {
    let clock = 0;
    const effect = <T>(name: string, act: () => T): Promise<T> => {
      this.effects.push(name);
      if (this.effects.length === killAt) return Promise.reject(new Killed());
      const result = act();
      return this.effects.length + 0.5 === killAt ? Promise.reject(new Killed()) : Promise.resolve(result);
    };
    return {
      readJournal: () =>
        effect("read journal", () =>
          this.journal === undefined ? undefined : parseJournal("seed.json", this.journal),
        ),
      writeJournal: (journal) => effect("write journal", () => void (this.journal = renderJournal(journal))),
      findData: () => effect("look", () => [...this.data]),
      backups: {
        list: () =>
          effect("list", () =>
            this.sets.map((snapshot) => ({
              snapshot,
              commit: snapshot,
              time: "2026-01-31T12:00:00Z",
              degraded: false,
            })),
          ),
        read: ({ snapshot }) => effect("read marker", () => commitOf(snapshot)),
        report: (line) => this.log.push(line),
      },
      steps: ({ snapshot }) =>
        ["files", "rows"].map((name) => ({
          name,
          run: () =>
            effect(name, () => void (this.data = [...new Set([...this.data, `${name} of ${snapshot.slice(0, 2)}`])])),
        })),
      now: () => (clock += 1.25),
      log: (line) => this.log.push(line),
    };
  }
}

function commitOf(snapshot: string): Commit {
  const degraded = [{ part: "vault", reason: "vault: sealed" }];
  return { owner: OWNER, snapshot, finished: "2026-01-31T11:59:58.000Z", degraded } as unknown as Commit;
}

const RESTORED: Journal = {
  version: 1,
  phase: "done",
  mode: "restored",
  request: "auto",
  snapshot: SNAPSHOT,
  backup: "2026-01-31T11:59:58.000Z",
  seconds: { files: 1.3, rows: 1.3 },
};

describe("empty stores", () => {
  it("are filled from the newest backup, with a journal before and after", async () => {
    const vm = new Vm();
    expect(await vm.seed()).toEqual(RESTORED);
    expect(vm.effects).toEqual([
      ...["read journal", "look", "list", "read marker"],
      ...["write journal", "files", "rows", "write journal"],
    ]);
    expect(vm.log).toEqual([
      "seed: the stores are empty; looking for a backup",
      "seed: restoring abababab of 2026-01-31T11:59:58.000Z",
      "seed: this backup was taken without vault: vault: sealed",
      "seed: 1/2 files: 1.3 s",
      "seed: 2/2 rows: 1.3 s",
    ]);
    expect(parseJournal("x", vm.journal ?? "")).toEqual(RESTORED);
  });

  it("stay empty where there is no backup, or none is wanted", async () => {
    const first = Object.assign(new Vm(), { sets: [] });
    expect(await first.seed()).toMatchObject({ phase: "done", mode: "fresh", snapshot: null });
    const forced = new Vm();
    expect(await forced.seed("fresh")).toMatchObject({ phase: "done", mode: "fresh" });
    expect(forced.effects).toEqual(["read journal", "look", "write journal"]);
  });

  it("are filled when a crash at any point has cut it short, from the same backup", async () => {
    for (let at = 1; at <= 8.5; at += 0.5) {
      const vm = new Vm();
      await expect(vm.seed("auto", at)).rejects.toThrow(Killed);
      const begun = vm.journal !== undefined;
      if (begun) vm.sets = [OTHER, SNAPSHOT];
      expect(await vm.seed()).toMatchObject({ phase: "done", mode: "restored", snapshot: SNAPSHOT });
      expect(vm.data).toEqual(["files of ab", "rows of ab"]);
    }
  });

  it("are gone on with whatever is wanted meanwhile", async () => {
    const vm = new Vm();
    await expect(vm.seed("auto", 7)).rejects.toThrow(Killed);
    expect(await vm.seed("fresh")).toMatchObject({ mode: "restored", snapshot: SNAPSHOT });
    expect(vm.log).toContain("seed: an earlier restore of abababab was cut short; going on with it");
  });
});

describe("stores with data", () => {
  it("are left alone", async () => {
    const vm = Object.assign(new Vm(), { data: ["volume forgejo-data"] });
    for (const request of ["auto", "fresh"]) {
      expect(await vm.seed(request)).toMatchObject({ phase: "done", mode: "kept" });
    }
    expect(vm.data).toEqual(["volume forgejo-data"]);
  });

  it("that were restored or begun fresh keep their journal", async () => {
    for (const request of ["auto", SNAPSHOT, "2026-01-31T13:00:00Z"]) {
      const vm = new Vm();
      const journal = await vm.seed(request);
      expect(await vm.seed(request)).toEqual(journal);
      expect(vm.effects).toEqual(["read journal", "look"]);
      expect(await vm.seed("auto")).toEqual(journal);
    }
  });

  it("refuse a certain backup", async () => {
    const vm = Object.assign(new Vm(), { data: ["volume forgejo-data", "database forgejo"] });
    await expect(vm.seed(SNAPSHOT.slice(0, 8))).rejects.toMatchObject({
      message: "seed: abababab is wanted, but there is data: volume forgejo-data, database forgejo",
      hint:
        "deploy to a bare VM; or take single things out of the backup: npx foundation restore --only …; " +
        "to go on with the data: pulumi config rm foundation:seed",
      exitCode: EXIT.refused,
    });
    expect(vm.effects).toEqual(["read journal", "look"]);
  });
});

it("a journal that is damaged stops everything", async () => {
  const vm = Object.assign(new Vm(), { journal: '{"version":1,"phase":"rest' });
  await expect(vm.seed()).rejects.toMatchObject({
    message: "seed.json: not a journal of a restore",
    hint: "if the volumes hold what they should: rm seed.json (on the VM), then pulumi up",
    exitCode: EXIT.refused,
  });
});
