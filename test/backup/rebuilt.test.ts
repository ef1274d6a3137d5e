import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { backUp } from "../../backup/backup.ts";
import { canaryOf } from "../../backup/forge.ts";
import { layout } from "../../backup/paths.ts";
import { readStatus } from "../../backup/status.ts";
import { World } from "./world.ts";

// A VM that began with a backup looks, before its first run, whether every store is of that one.

const SNAPSHOT = "5".repeat(64);
let world: World;
/** the run that made the backup */
let run: string;

/** A backup is made, and everything but the offsite and what was restored is forgotten. */
beforeEach(async () => {
  const former = new World();
  ({ run } = (await backUp(await former.job())).last);
  world = new World();
  Object.assign(world.canaries, former.canaries);
  world.objects.set("foundation/backup-canary", run);
  leaveTag(run);
  const { restored } = layout(world.roots);
  mkdirSync(join(restored, ".."), { recursive: true });
  writeFileSync(restored, former.markers.at(-1) ?? "");
  former.remove();
});
afterEach(() => world.remove());

function leaveTag(name: string): void {
  const repository = join(world.forgeData, "git/repositories/foundation-backup/canary.git");
  mkdirSync(repository, { recursive: true });
  writeFileSync(join(repository, "HEAD"), "ref: refs/heads/main\n");
  writeFileSync(join(repository, "packed-refs"), `${"a".repeat(40)} refs/tags/${name}\n`);
}

/** What the first runs say about the rebuild, and what the status has. */
async function begin(): Promise<{ said: string[]; rebuilt: unknown }> {
  // Ids of the runs here are others than those of the VM before.
  for (let skipped = 0; skipped < 100; skipped += 1) world.effects().newId();
  await backUp(await world.job());
  await backUp(await world.job());
  const { rebuilt } = await readStatus(layout(world.roots), world.plan());
  return { said: world.said.filter((line) => line.startsWith("backup: rebuilt")), rebuilt };
}

describe("the first run of a VM that was rebuilt", () => {
  it("finds the canary of the backup in all four stores", async () => {
    expect(await begin()).toEqual({
      said: ["backup: rebuilt: row, object, git tag, Vault key are all of backup 55555555"],
      rebuilt: {
        finished: expect.any(String),
        snapshot: SNAPSHOT,
        stores: ["row", "object", "git tag", "Vault key"],
        problems: [],
      },
    });
  });

  it.each<[string, () => unknown, string]>([
    ["row", () => (world.canaries.row = "other"), "of run other"],
    ["object", () => world.objects.set("foundation/backup-canary", "other"), "of run other"],
    ["object", () => world.objects.delete("foundation/backup-canary"), "of run none"],
    ["git tag", () => leaveTag("other"), "of run other"],
    ["Vault key", () => (world.canaries.vault = "other"), "of run other"],
  ])("says which store is of another one: %s", async (store, change, what) => {
    change();
    expect((await begin()).said).toEqual([`backup: rebuilt: canary: the ${store} is ${what}, not of ${run}`]);
  });

  it("leaves out what cannot be asked", async () => {
    world.vault = "sealed";
    const { said, rebuilt } = await begin();
    expect(said).toEqual([
      "backup: rebuilt: canary: the Vault key is not known: vault: sealed",
      "backup: rebuilt: row, object, git tag are all of backup 55555555",
    ]);
    expect(rebuilt).toMatchObject({ stores: ["row", "object", "git tag"], problems: [] });
  });

  it("does not look again once there is a backup of its own, nor on a VM that began with nothing", async () => {
    world.vault = "sealed";
    const { said } = await begin();
    world.vault = "open";
    expect((await begin()).said).toEqual(said);
    const fresh = new World();
    await backUp(await fresh.job());
    expect(fresh.said.join()).not.toContain("rebuilt");
    fresh.remove();
  });
});

it("of several tags the one that is looked for counts", () => {
  expect(canaryOf(["refs/heads/main", "refs/tags/a", "refs/tags/b"], "b")).toBe("b");
  expect(canaryOf(["refs/heads/main", "refs/tags/a"], "b")).toBe("a");
  expect(canaryOf(["refs/heads/main"], "b")).toBe("none");
});
