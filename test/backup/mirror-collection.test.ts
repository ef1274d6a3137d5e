import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { backUp } from "../../backup/backup.ts";
import { collectMirrors } from "../../backup/mirror-collection.ts";
import { layout } from "../../backup/paths.ts";
import { readStatus } from "../../backup/status.ts";
import { World } from "./world.ts";

const DAY = 24 * 3600 * 1000;
let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.remove());

const mirror = () => Object.keys(world.tree(join(world.roots.state, "mirror/forgejo")));
const collect = async (force = false) => collectMirrors(await world.job(), force);

describe("files of the mirror that nothing needs", () => {
  beforeEach(async () => {
    await backUp(await world.job());
    world.objects.delete("packages/ab/cd/abcd");
    world.objects.delete("lfs/12/34/5678");
  });

  it("go after 30 days, with the directories that they leave empty; what a database names stays", async () => {
    expect(await collect()).toMatchObject({ removed: 0, bytes: 0, waiting: 1 });
    world.clock += 29 * DAY;
    expect(await collect()).toMatchObject({ removed: 0, waiting: 1 });
    world.clock += 2 * DAY;
    const collected = await collect();
    expect(collected).toEqual({ finished: expect.any(String), removed: 1, bytes: 3, waiting: 0 });
    expect(mirror()).toEqual(["foundation/backup-canary", "lfs/12/34/5678"]);
    expect((await readStatus(layout(world.roots), world.plan())).collection).toEqual(collected);
    expect(world.said.at(-1)).toBe("backup: mirror: 1 files removed, 3 B; 0 wait for their time");
    expect(world.tree(world.roots.state)["state/absent-forgejo.json"]).toBe("{}\n");
  });

  it("wait from the beginning again, once they were needed meanwhile", async () => {
    await collect();
    world.clock += 20 * DAY;
    world.objects.set("packages/ab/cd/abcd", "one");
    await collect();
    world.objects.delete("packages/ab/cd/abcd");
    world.clock += 20 * DAY;
    expect(await collect()).toMatchObject({ removed: 0, waiting: 1 });
  });

  it("are fetched again, should they come back after they went", async () => {
    await collect();
    world.clock += 31 * DAY;
    await collect();
    world.objects.set("packages/ab/cd/abcd", "one");
    expect((await backUp(await world.job())).last.outcome).toBe("committed");
    expect(mirror()).toContain("packages/ab/cd/abcd");
  });

  it.each<[string, () => void, string]>([
    ["the store does not answer", () => (world.s3 = "down"), "s3: forgejo: ECONNREFUSED"],
    [
      "the database does not",
      () => (world.postgres = "down"),
      'postgres: forgejo: error: connection to server at "postgres" (172.30.14.2), port 5432 failed: Connection refused',
    ],
  ])("stay where %s", async (_, damage, reason) => {
    await collect();
    world.clock += 31 * DAY;
    damage();
    expect(await collect()).toEqual({ finished: expect.any(String), removed: 0, bytes: 0, waiting: 0, reason });
    expect(mirror()).toContain("packages/ab/cd/abcd");
  });

  it("are not looked for while somebody has the lock", async () => {
    world.locked = true;
    await expect(collect()).rejects.toThrow("lock: somebody has held it for 30 minutes");
  });
});

it("a store that has lost its objects does not take those of the mirror with it", async () => {
  world.named = [];
  for (let index = 0; index < 100; index += 1) world.objects.set(`packages/${String(index)}`, "x");
  await backUp(await world.job());
  const held = mirror();
  world.objects.clear();
  await collect();
  world.clock += 31 * DAY;
  const reason =
    "forgejo: 103 of 103 files would go: foundation/backup-canary, …; at most 20 may; " +
    "if they may all: npx foundation backup collect --force";
  expect(await collect()).toMatchObject({ removed: 0, reason });
  expect(mirror()).toEqual(held);
  expect(await collect(true)).toMatchObject({ removed: 103, waiting: 0 });
  expect(mirror()).toEqual([]);
});

describe("an object that is written once", () => {
  it("keeps its copy where the store has another content under its name, and every run says so", async () => {
    await backUp(await world.job());
    world.objects.set("lfs/12/34/5678", "forged");
    for (let runs = 0; runs < 2; runs += 1) {
      expect((await backUp(await world.job())).last.degraded).toEqual([
        {
          part: "s3",
          reason:
            "forgejo: overwritten, though its like never changes; the copy of before is kept: lfs/12/34/5678 (1 in all)",
        },
      ]);
      expect(readFileSync(join(world.roots.state, "mirror/forgejo/lfs/12/34/5678"), "utf8")).toBe("two");
    }
    world.objects.set("lfs/12/34/5678", "two");
    expect((await backUp(await world.job())).last.outcome).toBe("committed");
  });

  it("is copied again where it is the mirror that is damaged", async () => {
    await backUp(await world.job());
    const { mirror: mirrorOf, mirrorIndex } = layout(world.roots);
    writeFileSync(join(mirrorOf("forgejo"), "lfs/12/34/5678"), "cut");
    rmSync(mirrorIndex("forgejo"));
    expect((await backUp(await world.job())).last.outcome).toBe("committed");
    expect(readFileSync(join(mirrorOf("forgejo"), "lfs/12/34/5678"), "utf8")).toBe("two");
  });
});
