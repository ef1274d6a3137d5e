import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { backUp } from "../../backup/backup.ts";
import type { Commit } from "../../backup/commit.ts";
import { drillRebuilt } from "../../backup/drill-rebuilt.ts";
import type { DrillReport } from "../../backup/drill-record.ts";
import { layout } from "../../backup/paths.ts";
import { EXIT } from "../../errors.ts";
import { CLUSTER, World } from "./world.ts";

// What came back, and runs, compared with the marker of the backup that it began with.

const ID = "a".repeat(40);
let world: World;
let run: string;

/** A backup is made, and its marker is what everything in the same world began with. */
beforeEach(async () => {
  world = new World();
  world.tables = { "public.repository": 3 };
  ({ run } = (await backUp(await world.job())).last);
  leaveTag(run);
  world.objects.set("foundation/backup-canary", run);
  const marker = JSON.parse(world.markers.at(-1) ?? "") as Commit;
  mark({ ...marker, git: { repositories: 1, refs: 1 } });
});
afterEach(() => world.remove());

const { restored } = { restored: () => layout(world.roots).restored };
function mark(commit: Commit): void {
  mkdirSync(dirname(restored()), { recursive: true });
  writeFileSync(restored(), JSON.stringify(commit));
}
const marked = () => JSON.parse(readFileSync(restored(), "utf8")) as Commit;

function leaveTag(name: string): void {
  const repository = join(world.forgeData, "git/repositories/foundation-backup/canary.git");
  mkdirSync(repository, { recursive: true });
  writeFileSync(join(repository, "HEAD"), "ref: refs/heads/main\n");
  writeFileSync(join(repository, "packed-refs"), `${ID} refs/tags/${name}\n`);
}

/** The plan's trees are where the volumes are; everything else is asked through the world. */
async function drill(): Promise<DrillReport> {
  return await drillRebuilt(await world.job());
}
const wrong = ({ phases }: DrillReport) =>
  phases
    .filter(({ outcome }) => outcome !== "passed")
    .map(({ name, outcome, detail, problems }) => {
      return [name, outcome, ...(problems.length > 0 ? problems : [detail])];
    });

describe("a foundation that was brought back", () => {
  it("is compared store by store", async () => {
    const { phases, ...report } = await drill();
    expect(report).toMatchObject({ backup: { run } });
    const details = Object.fromEntries(phases.map(({ name, detail }) => [name, detail]));
    expect(details).toEqual({
      marker: `55555555, finished ${marked().finished}`,
      git: "1 repositories with 1 references: each leads to an object, packs are whole",
      "database backup": "1 tables; rows compared when they were restored, the same now",
      "database forgejo": "1 tables; rows compared when they were restored, the same now",
      "bucket forgejo": "3 objects, 42 bytes; backed up were 3 objects, 42 bytes",
      "LFS objects": "1 named by the database, in the bucket with that size; content by its hash",
      Vault: `open, cluster ${CLUSTER}`,
      canary: `run ${run} in: row, object, git tag, Vault key`,
    });
    // Of the canary's tag there is no object in this world.
    expect(wrong({ phases } as DrillReport)).toEqual([
      ["git", "failed", `foundation-backup/canary.git: refs/tags/${run}: leads to ${ID}, which is not there`],
    ]);
  });

  it.each<[string, () => unknown, string[]]>([
    [
      "a repository less",
      () => mark({ ...marked(), git: { repositories: 2, refs: 1 } }),
      ["git", "failed", "git: 1 repositories with 1 references, backed up were 2 with 1"],
    ],
    [
      "a table less",
      () => (world.tables = {}),
      ["database forgejo", "failed", "database forgejo: public.repository: no such table"],
    ],
    [
      "an object less",
      () => world.objects.delete("packages/ab/cd/abcd"),
      ["bucket forgejo", "failed", "bucket forgejo: 2 objects, 39 bytes, backed up were 3 objects, 42 bytes"],
    ],
    [
      "an object that the database names, not in the bucket",
      () => world.objects.delete("lfs/12/34/5678"),
      ["LFS objects", "failed", "LFS objects: lfs/12/34/5678: is not in the bucket"],
    ],
    [
      "an object of another size",
      () => world.objects.set("lfs/12/34/5678", "three"),
      ["LFS objects", "failed", "LFS objects: lfs/12/34/5678: has another size in the bucket"],
    ],
    [
      "Vault sealed",
      () => (world.vault = "sealed"),
      ["Vault", "failed", "Vault: sealed, so the shares do not open what was restored"],
    ],
    [
      "Vault without anything",
      () => (world.vault = "fresh"),
      ["Vault", "failed", "Vault: not initialised, so the snapshot was not taken in"],
    ],
    [
      "Vault of another foundation",
      () => mark({ ...marked(), vault: { ...(marked().vault as object), clusterId: EMPTY } as Commit["vault"] }),
      ["Vault", "failed", `Vault: cluster ${CLUSTER}, backed up was ${EMPTY}`],
    ],
    [
      "a store of another run",
      () => (world.canaries.row = "other"),
      ["canary", "failed", "canary: the row is of run other, not of RUN"],
    ],
  ])("fails with %s", async (_, change, expected) => {
    change();
    const report = await drill();
    expect([report.outcome, report.exitCode]).toEqual(["failed", EXIT.failed]);
    expect(wrong(report).map((line) => line.map((text) => text.replaceAll(run, "RUN")))).toContainEqual(
      expect.arrayContaining(expected),
    );
  });

  it("says what has changed since it runs, which is no fault of the backup", async () => {
    world.tables = { "public.repository": 4 };
    const { phases } = await drill();
    expect(phases.find(({ name }) => name === "database forgejo")).toMatchObject({
      outcome: "passed",
      detail: "1 tables; rows compared when they were restored, since the forge runs, others in public.repository",
    });
  });

  it("that does not answer, or began with nothing, is not judged", async () => {
    world.vault = "down";
    expect(wrong(await drill()).slice(-2)).toEqual([
      ["Vault", "error", "vault: sys/seal-status: ECONNREFUSED"],
      ["canary", "error", "canary: the Vault key is not known: vault: sys/seal-status: ECONNREFUSED"],
    ]);
    rmSync(restored());
    const report = await drill();
    expect([report.outcome, report.exitCode]).toEqual(["error", EXIT.attention]);
    expect(wrong(report)).toEqual([["marker", "error", "drill: this foundation did not begin with a backup"]]);
  });
});

const EMPTY = "00000000-0000-0000-0000-000000000000";
