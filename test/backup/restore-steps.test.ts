import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Commit } from "../../backup/commit.ts";
import { layout, type Layout } from "../../backup/paths.ts";
import type { Plan } from "../../backup/plan.ts";
import { restoreBucket } from "../../backup/restore-objects.ts";
import { extract } from "../../backup/restore-parts.ts";
import { type Restore, restoreSteps } from "../../backup/restore-steps.ts";
import { FakeBucket, fakeRestic } from "./fake-offsite.ts";

const ID = "ab".repeat(32);
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
let directory: string;
let paths: Layout;
/** the snapshot, as a directory */
let held: (path: string, text: string) => void;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "restore-steps-"));
  paths = layout({ state: join(directory, "state") });
  held = (path, text) => {
    const file = join(directory, "snapshots", ID, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  };
  held(paths.dump("forgejo"), "PGDMP");
  held(paths.vaultSnapshot, "raft");
  held(join(paths.mirror("forgejo"), "packages/aa"), "blob");
  held(join(paths.mirror("forgejo"), "a%20b/%"), "odd");
  held(join(paths.refs, "ops/deploy.git/packed-refs"), "# pack-refs with: sorted \n");
  held(join(paths.refs, "ops/deploy.git/HEAD"), "ref: refs/heads/main\n");
  for (const name of ["ops/deploy.git", "ops/late.git"]) held(`/sources/forgejo/git/repositories/${name}/HEAD`, "x\n");
  held("/sources/caddy/acme/key", "key");
});
afterEach(() => rmSync(directory, { recursive: true }));

const PLAN = {
  databases: [{ name: "forgejo" }],
  buckets: ["forgejo"],
  trees: [
    { volume: "forgejo-data", path: "/sources/forgejo", git: "git/repositories", exclude: [] },
    { volume: "caddy-data", path: "/sources/caddy", exclude: [] },
  ],
} as unknown as Plan;

const VAULT = {
  clusterId: "c",
  version: "2.1.2",
  epoch: "e",
  n: 6,
  t: 3,
  bytes: 4,
  sha256: sha256("raft"),
  taken: "2026-01-31T12:00:00.000Z",
};
const COMMIT = {
  snapshot: ID,
  finished: "2026-01-31T12:00:05.000Z",
  git: { repositories: 1, refs: 0 },
  postgres: { server: "18.6", databases: [{ name: "forgejo", bytes: 5, sha256: sha256("PGDMP"), tables: {} }] },
  s3: { forgejo: { objects: 2, bytes: 7 } },
  vault: VAULT,
} as unknown as Commit;

function prepare(said: string[] = []) {
  const { restic, effects, asked } = fakeRestic(join(directory, "snapshots"), { report: (line) => said.push(line) });
  const store = new FakeBucket((path) => readFileSync(path, "utf8"));
  const seedDirectory = join(directory, "seed");
  mkdirSync(seedDirectory, { recursive: true });
  const queries: string[] = [];
  const run: Restore["effects"]["run"] = (program, _args, { input = "" }) => {
    queries.push(program === "pg_restore" ? program : input);
    return Promise.resolve({ exitCode: 0, stdout: "18.6", stderr: "" });
  };
  const server = { effects: { run }, address: "postgres:5432", passwordFile: "/tmp/pgpass" };
  const targetOf = ({ volume }: { volume: string }) => join(directory, "target", volume);
  const restore: Restore = { plan: PLAN, effects, restic, layout: paths, server, store, targetOf, seedDirectory };
  return { restore, asked, store, queries, seedDirectory };
}

describe("the steps of a restore", () => {
  it("bring back every part, each from the one snapshot, and can be done again", async () => {
    const said: string[] = [];
    const { restore, asked, store, queries, seedDirectory } = prepare(said);
    const steps = restoreSteps(restore, COMMIT);
    expect(steps.map(({ name }) => name)).toEqual([
      ...["stage", "volume forgejo-data", "volume caddy-data", "database forgejo", "mirror", "bucket forgejo", "vault"],
    ]);
    for (const step of [...steps, ...steps]) await step.run();
    expect(asked.slice(0, 4)).toEqual(
      [
        [paths.stage, paths.stage],
        ["/sources/forgejo", join(directory, "target/forgejo-data")],
        ["/sources/caddy", join(directory, "target/caddy-data")],
        [paths.mirrors, paths.mirrors],
      ].map(([from = "", to = ""]) => `restic restore ${ID}:${from} --target ${to} --delete --no-lock --json`),
    );
    expect(readFileSync(join(directory, "target/forgejo-data/git/repositories/ops/deploy.git/HEAD"), "utf8")).toBe(
      "ref: refs/heads/main\n",
    );
    expect(said[0]).toBe("restore: git: ops/late.git was created while the backup was taken: left out");
    expect(readFileSync(join(directory, "target/caddy-data/acme/key"), "utf8")).toBe("key");
    expect(queries.slice(0, 3)).toEqual([
      "SHOW server_version;",
      'DROP DATABASE IF EXISTS "forgejo" WITH (FORCE);',
      "pg_restore",
    ]);
    expect([...store.objects]).toEqual(
      expect.arrayContaining([
        ["packages/aa", "blob"],
        ["a b/", "odd"],
      ]),
    );
    expect(store.uploads).toHaveLength(2);
    // The next backup finds its mirror current.
    expect(JSON.parse(readFileSync(paths.mirrorIndex("forgejo"), "utf8"))).toEqual({
      "packages/aa": "tag of blob",
      "a b/": "tag of odd",
    });
    expect(readFileSync(join(seedDirectory, "vault.snap"), "utf8")).toBe("raft");
    expect(JSON.parse(readFileSync(join(seedDirectory, "vault.json"), "utf8"))).toEqual(VAULT);
  });

  it("leave out what a former consumer had", () => {
    const said: string[] = [];
    const { restore } = prepare(said);
    const former = { name: "team", bytes: 5, sha256: sha256("PGDMP"), tables: {} };
    const postgres = { ...COMMIT.postgres, databases: [...COMMIT.postgres.databases, former] };
    const s3 = { ...COMMIT.s3, "team-data": { objects: 1, bytes: 1 } };
    const names = restoreSteps(restore, { ...COMMIT, postgres, s3 }).map(({ name }) => name);
    expect(names).toEqual(restoreSteps(restore, COMMIT).map(({ name }) => name));
    expect(said).toEqual([
      "restore: database team is not in the configuration: left out",
      "restore: bucket team-data is not in the configuration: left out",
    ]);
  });

  it("refuse a snapshot of Vault that was changed", async () => {
    const { restore } = prepare();
    const steps = restoreSteps(restore, { ...COMMIT, vault: { ...VAULT, sha256: "0".repeat(64) } });
    await steps[0]?.run();
    await expect(steps.at(-1)?.run()).rejects.toMatchObject({
      message: "vault: raft.snap is not the one that the backup describes",
    });
  });

  it("take a foundation without objects and without Vault as it was", async () => {
    const { restore } = prepare();
    rmSync(join(directory, "snapshots", ID, paths.mirrors), { recursive: true });
    const steps = restoreSteps(restore, { ...COMMIT, vault: null });
    for (const step of steps) await step.run();
    expect(steps.at(-1)?.name).toBe("bucket forgejo");
  });
});

describe("an upload that fails", () => {
  const fill = async (wrongAnswers: number) => {
    const { restore, store } = prepare();
    for (const step of restoreSteps(restore, COMMIT).filter(({ name }) => name === "mirror")) await step.run();
    store.wrongAnswers = wrongAnswers;
    return { store, filled: restoreBucket(store, restore.effects, "forgejo", paths.mirror("forgejo"), [0, 0, 0]) };
  };

  it("is tried again", async () => {
    const { filled, store } = await fill(3);
    expect(await filled).toBe(2);
    expect(store.uploads.toSorted()).toEqual(["a b/", "packages/aa"]);
  });

  it("four times stops the restore", async () => {
    const { filled } = await fill(8);
    await expect(filled).rejects.toMatchObject({
      message: "s3: forgejo: An error occurred when parsing the HTTP request.",
      hint: "docker logs --tail 50 rustfs (on the VM)",
    });
  });
});

it("a bucket that was filled in part gets the rest, and only that", async () => {
  const { restore, store } = prepare();
  for (const step of restoreSteps(restore, COMMIT).filter(({ name }) => name === "mirror")) await step.run();
  const fill = () => restoreBucket(store, restore.effects, "forgejo", paths.mirror("forgejo"));
  store.objects.set("packages/aa", "blob");
  expect(await fill()).toBe(2);
  expect(store.uploads).toEqual(["a b/"]);
  // What has another size was cut off, whoever did that.
  store.objects.set("packages/aa", "bl");
  await fill();
  expect(store.objects.get("packages/aa")).toBe("blob");
});

describe("a part that is taken out", () => {
  const take = (part: Parameters<typeof extract>[2], dryRun = false) => {
    const { restore, asked } = prepare();
    const roots = { state: join(directory, "state"), kit: "/kit" };
    return { asked, result: extract({ ...restore, roots }, COMMIT, part, dryRun) };
  };
  const out = (name: string): string => join(directory, "state/restored", name);

  it("is one repository with its references", async () => {
    const { result } = take({ part: "repo", repository: "Ops/Deploy" });
    expect(await result).toEqual({
      snapshot: ID,
      backup: COMMIT.finished,
      directory: out("repo-abababab"),
      content: ["ops/deploy.git"],
    });
    expect(readFileSync(join(out("repo-abababab"), "ops/deploy.git/HEAD"), "utf8")).toBe("ref: refs/heads/main\n");
    await expect(take({ part: "repo", repository: "ops/late" }).result).rejects.toMatchObject({
      message: "restore: there is no repository ops/late in this backup",
    });
  });

  it("is the dumps, the objects, Vault's snapshot or the forge's files", async () => {
    await take({ part: "postgres" }).result;
    expect(readFileSync(join(out("postgres-abababab"), "forgejo.dump"), "utf8")).toBe("PGDMP");
    await take({ part: "s3" }).result;
    expect(readFileSync(join(out("s3-abababab"), "forgejo/packages/aa"), "utf8")).toBe("blob");
    await take({ part: "vault" }).result;
    expect(readFileSync(join(out("vault-abababab"), "raft.snap"), "utf8")).toBe("raft");
    await take({ part: "forgejo" }).result;
    const head = "forgejo-data/git/repositories/ops/deploy.git/HEAD";
    expect(readFileSync(join(out("forgejo-abababab"), head), "utf8")).toBe("ref: refs/heads/main\n");
  });

  it("is everything, each store in a directory of its own", async () => {
    held("/kit/RECOVERY.md", "what to do");
    const { content } = await take({ part: "all" }).result;
    const read = (name: string) => readFileSync(join(out("all-abababab"), name), "utf8");
    expect(read("postgres/forgejo.dump")).toBe("PGDMP");
    expect(read("s3/forgejo/packages/aa")).toBe("blob");
    expect(read("vault/raft.snap")).toBe("raft");
    expect(read("forgejo/forgejo-data/git/repositories/ops/deploy.git/HEAD")).toBe("ref: refs/heads/main\n");
    expect(read("caddy-data/acme/key")).toBe("key");
    expect(read("kit/RECOVERY.md")).toBe("what to do");
    expect(content).toHaveLength(4);
  });

  it("is the files of a forge that has no repository yet", async () => {
    rmSync(join(directory, "snapshots", ID, paths.refs), { recursive: true });
    rmSync(join(directory, "snapshots", ID, "sources/forgejo/git"), { recursive: true });
    held("/sources/forgejo/jwt/private.pem", "key");
    await take({ part: "forgejo" }).result;
    expect(readFileSync(join(out("forgejo-abababab"), "forgejo-data/jwt/private.pem"), "utf8")).toBe("key");
    await expect(take({ part: "repo", repository: "ops/deploy" }).result).rejects.toThrow(
      "restore: there is no repository ops/deploy in this backup",
    );
  });

  it("is only described in a dry run", async () => {
    const { asked, result } = take({ part: "s3" }, true);
    expect((await result).content).toEqual(["forgejo: 2 objects, 7 bytes"]);
    expect(asked).toEqual([]);
  });
});
