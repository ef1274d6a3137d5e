import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { backUp, exitCodeOf } from "../../backup/backup.ts";
import { parseCommit } from "../../backup/commit.ts";
import { layout } from "../../backup/paths.ts";
import { readStatus } from "../../backup/status.ts";
import { EXIT } from "../../errors.ts";
import { CLUSTER, EPOCH, OWNER, raftSnapshot, VM_ID, World } from "./world.ts";

let world: World;
beforeEach(() => {
  world = new World();
  const repository = join(world.forgeData, "git/repositories/platform/site.git");
  mkdirSync(join(repository, "refs/heads"), { recursive: true });
  writeFileSync(join(repository, "HEAD"), "ref: refs/heads/main\n");
  writeFileSync(join(repository, "refs/heads/main"), `${"a".repeat(40)}\n`);
});
afterEach(() => world.remove());

const marker = () => parseCommit("test", world.markers.at(-1) ?? "");
const status = async () => readStatus(layout(world.roots), world.plan());

describe("a run", () => {
  it("looks at the offsite first, dumps before it reads references, copies blobs last, and then commits", async () => {
    const { last } = await backUp(await world.job());
    expect(exitCodeOf(last)).toBe(EXIT.ok);
    expect(world.calls).toEqual([
      "request /foundation-x/config",
      "request /v1/sys/seal-status",
      "request /v1/auth/approle/login",
      "request /v1/foundation/data/backup/canary",
      "request /v1/sys/storage/raft/snapshot",
      "request /v1/auth/token/revoke-self",
      "psql forgejo",
      "psql backup",
      "request /api/v1/repos/foundation-backup/canary/tags",
      "request /api/v1/repos/foundation-backup/canary/tags",
      "psql backup",
      `pg_restore ${world.roots.state}/stage/pg/backup.dump.${last.run}.new`,
      "psql forgejo",
      `pg_restore ${world.roots.state}/stage/pg/forgejo.dump.${last.run}.new`,
      "pg_dumpall --database=backup",
      "download packages/ab/cd/abcd",
      "download lfs/12/34/5678",
      "download foundation/backup-canary",
      "restic version",
      "restic backup",
      "psql forgejo",
      "restic backup",
      "unlock",
    ]);
    expect(Object.keys(last.seconds)).toEqual([
      ...["offsite", "space", "vault", "canary", "postgres", "git", "s3", "meta", "upload", "commit"],
    ]);
  });

  it("stages everything under names that do not change, and leaves nothing else", async () => {
    const { last } = await backUp(await world.job());
    expect(Object.keys(world.tree(world.roots.state))).toEqual([
      "mirror/forgejo/foundation/backup-canary",
      "mirror/forgejo/lfs/12/34/5678",
      "mirror/forgejo/packages/ab/cd/abcd",
      "stage/meta/about.json",
      "stage/pg/backup.dump",
      "stage/pg/forgejo.dump",
      "stage/pg/globals.sql",
      "stage/refs/platform/site.git/HEAD",
      "stage/refs/platform/site.git/packed-refs",
      "stage/vault/raft.snap",
      "stage/vault/vault.json",
      "state/healthy-until",
      "state/mirror-forgejo.json",
      "state/status.json",
    ]);
    expect(readFileSync(join(world.roots.state, "mirror/forgejo/foundation/backup-canary"), "utf8")).toBe(last.run);
    expect(readFileSync(join(world.roots.state, "stage/pg/globals.sql"), "utf8")).toBe("\nCREATE ROLE forgejo;\n");
  });

  it("commits what it has captured, counted and hashed", async () => {
    const { last } = await backUp(await world.job());
    expect(marker()).toEqual({
      version: 1,
      owner: OWNER,
      vmId: VM_ID,
      run: last.run,
      started: expect.any(String),
      finished: expect.any(String),
      snapshot: "5".repeat(64),
      degraded: [],
      postgres: {
        server: "18.6",
        databases: [
          {
            name: "backup",
            bytes: 14,
            sha256: "5e442414882a7c359e350510db83c2449601ac174ffa12a146eb70ca66a67e78",
            tables: { "public.repository": 3 },
          },
          {
            name: "forgejo",
            bytes: 15,
            sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
            tables: { "public.repository": 3 },
          },
        ],
      },
      git: { repositories: 1, refs: 1 },
      s3: { forgejo: { objects: 3, bytes: 42 } },
      vault: {
        clusterId: CLUSTER,
        version: "2.1.2",
        epoch: EPOCH,
        n: 5,
        t: 3,
        bytes: world.snapshot.length,
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        taken: expect.any(String),
      },
      kit: null,
    });
    expect((await status()).commit).toMatchObject({ run: last.run, snapshot: "5".repeat(64) });
  });

  it("fetches an object again only when it has changed, and forgets none that was deleted", async () => {
    await backUp(await world.job());
    world.calls.length = 0;
    world.objects.delete("lfs/12/34/5678");
    world.objects.set("packages/ab/cd/abcd", "changed");
    await backUp(await world.job());
    expect(world.calls.filter((call) => call.startsWith("download"))).toEqual([
      "download packages/ab/cd/abcd",
      "download foundation/backup-canary",
    ]);
    expect(world.tree(join(world.roots.state, "mirror"))).toMatchObject({
      "forgejo/lfs/12/34/5678": "two",
      "forgejo/packages/ab/cd/abcd": "changed",
    });
  });

  it("has the kit in it where there is one", async () => {
    mkdirSync(world.roots.kit);
    writeFileSync(join(world.roots.kit, "kit.json"), '{"version":1,"commit":"abc"}');
    writeFileSync(join(world.roots.kit, "repository.bundle"), "x");
    await backUp(await world.job());
    expect(marker().kit).toEqual({ commit: "abc", files: 2 });
  });

  it("says how far it is and what came of it", async () => {
    const { last } = await backUp(await world.job());
    expect(world.said.filter((line) => !/^backup: [a-z0-9]+: \d+\.\d s$/.test(line))).toEqual([
      "backup: s3 forgejo: 39 B of 42 B, 20 B/s, 0:00 left",
      `backup: committed in ${((Date.parse(last.finished) - Date.parse(last.started)) / 1000).toFixed(1)} s: 7 files, 9.0 kB, 2.0 kB added`,
    ]);
  });

  it("gives no program a secret in its arguments", async () => {
    await backUp(await world.job());
    expect(`${world.calls.join()}${world.said.join()}`).not.toMatch(/-secret/);
  });
});

describe("the canary", () => {
  it("is the run's id in a row, an object, a tag and a key, and none of a former run stays", async () => {
    await backUp(await world.job());
    const { last } = await backUp(await world.job());
    expect(world.canaries).toEqual({ row: last.run, vault: last.run });
    expect(world.objects.get("foundation/backup-canary")).toBe(last.run);
    expect(world.tags).toEqual([last.run]);
  });

  it("is left once more where the set is captured once more", async () => {
    world.layouts = ["a", "b"];
    world.tags = ["former"];
    const { last } = await backUp(await world.job());
    expect([last.outcome, world.tags]).toEqual(["committed", [last.run]]);
  });

  it.each<[string, World["forge"], string]>([
    ["does not answer", undefined, "forge: GET foundation-backup/canary/tags: ECONNREFUSED"],
    ["has not made the account yet", { GET: 401 }, "forge: GET foundation-backup/canary/tags: answered 401"],
    ["refuses a tag", { GET: 200, POST: 403 }, "forge: POST foundation-backup/canary/tags: answered 403"],
  ])("a forge that %s keeps no set from being made", async (_, forge, reason) => {
    world.forge = forge;
    const { last, committed } = await backUp(await world.job());
    expect([last.outcome, last.degraded]).toEqual(["degraded", [{ part: "canary in git", reason }]]);
    expect(committed?.commit.git).toEqual({ repositories: 1, refs: 1 });
  });

  it("a Vault that does not take it is captured all the same", async () => {
    world.vaultWrites = 403;
    const { last, committed } = await backUp(await world.job());
    expect(last.degraded).toEqual([
      { part: "canary in Vault", reason: "vault: foundation/data/backup/canary: answered 403" },
    ]);
    expect(committed?.commit.vault).not.toBeNull();
  });
});

describe("a set without Vault is a degraded one, with the last snapshot there is", () => {
  it.each<[World["vault"], string]>([
    ["sealed", "vault: sealed"],
    ["fresh", "vault: not initialised"],
    ["down", "vault: sys/seal-status: ECONNREFUSED"],
  ])("%s", async (state, reason) => {
    world.vault = state;
    const first = await backUp(await world.job());
    expect(first.last).toMatchObject({
      outcome: "degraded",
      degraded: [{ part: "vault", reason: `${reason}; there is no snapshot` }],
    });
    expect(exitCodeOf(first.last)).toBe(EXIT.attention);
    expect(marker().vault).toBeNull();

    world.vault = "open";
    await backUp(await world.job());
    const { taken } = marker().vault ?? {};
    world.vault = state;
    const third = await backUp(await world.job());
    expect(third.last.degraded).toEqual([
      { part: "vault", reason: `${reason}; the snapshot is that of ${String(taken)}` },
    ]);
    expect(marker().vault?.taken).toBe(taken);
  });

  it("a snapshot that is not whole does not replace the one before", async () => {
    await backUp(await world.job());
    world.snapshot = raftSnapshot().subarray(0, 100);
    const { last } = await backUp(await world.job());
    expect(last.degraded[0]?.reason).toMatch(/not a whole snapshot: .*; the snapshot is that of 2026-01-31T/);
    expect(marker().vault?.bytes).toBe(raftSnapshot().length);
  });

  it("the snapshot of another run than the facts beside it is not trusted", async () => {
    await backUp(await world.job());
    writeFileSync(join(world.roots.state, "stage/vault/raft.snap"), raftSnapshot("other"));
    world.vault = "sealed";
    await backUp(await world.job());
    expect(marker().vault).toBeNull();
  });
});

describe("without a store or the offsite there is no set", () => {
  const refused = Object.assign(new Error(), { code: "ECONNREFUSED" });
  const cases: [string, (w: World) => unknown, string, string][] = [
    [
      "PostgreSQL down",
      (w) => (w.postgres = "down"),
      'postgres: forgejo: error: connection to server at "postgres" (172.30.14.2), port 5432 failed: Connection refused',
      "docker logs --tail 50 postgres (on the VM)",
    ],
    [
      "a dump that breaks",
      (w) => (w.postgres = "dump breaks"),
      "postgres: dump of backup: error: terminating connection due to administrator command",
      "docker logs --tail 50 postgres (on the VM)",
    ],
    ["S3 down", (w) => (w.s3 = "down"), "s3: forgejo: ECONNREFUSED", "docker logs --tail 50 rustfs (on the VM)"],
    [
      "the offsite down",
      (w) => (w.probe = refused),
      "offsite: 198.51.100.9:8000: ECONNREFUSED",
      "is it up? npx foundation offsite check",
    ],
    [
      "another VM's generation",
      (w) => (w.probe = 401),
      "offsite: refuses this VM's credentials",
      "another VM has taken this foundation over: turn this one off; if none has: pulumi up",
    ],
    [
      "no repository",
      (w) => (w.probe = 404),
      "offsite: there is no repository",
      "a new offsite: pulumi up; otherwise somebody removed it: look at the offsite before anything else",
    ],
    ["the offsite full", (w) => (w.probe = 507), "offsite: answers with HTTP 507", "npx foundation offsite check"],
    [
      "another certificate",
      (w) => (w.probe = Object.assign(new Error(), { code: "SELF_SIGNED_CERT_IN_CHAIN" })),
      "offsite: 198.51.100.9:8000: has a certificate of somebody else: SELF_SIGNED_CERT_IN_CHAIN",
      "if the offsite was set up anew: pulumi up; otherwise somebody stands in between",
    ],
    [
      "no space on the disk",
      (w) => (w.free = 300e6),
      "disk: 300.0 MB free on the VM, a backup needs 536.9 MB",
      "on the VM: df -h /var/lib/docker; du -xh --max-depth=2 /var/lib/docker/volumes | sort -h | tail",
    ],
    ["an upload that breaks", (w) => (w.uploads = [1]), "restic: Fatal: it broke", "npx foundation offsite check"],
    [
      "a file that cannot be read twice",
      (w) => (w.uploads = [3, 3]),
      "restic: could not read everything: /x/pack: no such file or directory",
      "look at the file named, then run it again",
    ],
    [
      "no repository for restic",
      (w) => (w.uploads = [10]),
      "offsite: there is no repository",
      "a new offsite: pulumi up; otherwise somebody removed it: look at the offsite before anything else",
    ],
    [
      "a lock that is not stale",
      (w) => (w.uploads = [11, 11]),
      "offsite: the repository is locked",
      "npx foundation offsite check",
    ],
    [
      "a wrong password",
      (w) => (w.uploads = [12]),
      "offsite: the repository is not this foundation's: its password is another one",
      "compare foundation:offsite with the offsite that was set up first",
    ],
    [
      "the lock held by a deployment",
      (w) => (w.locked = true),
      "lock: somebody has held it for 30 minutes",
      "npx foundation backup status",
    ],
  ];
  it.each(cases)("%s", async (_, damage, reason, hint) => {
    await backUp(await world.job());
    const { commit } = await status();
    const markers = world.markers.length;
    damage(world);
    world.calls.length = 0;
    const { last, committed } = await backUp(await world.job());
    expect([last.outcome, last.reason, last.hint]).toEqual(["failed", reason, hint]);
    expect(exitCodeOf(last)).toBe(EXIT.failed);
    expect(committed).toBeUndefined();
    expect(world.markers.length).toBe(markers);
    const known = await status();
    expect([known.last?.reason, known.commit]).toEqual([reason, commit]);
    expect(world.said.slice(-2)).toEqual([expect.stringMatching(/^backup: failed after \d+\.\d s: /), `hint: ${hint}`]);
    expect(world.calls.filter((call) => /init/.test(call))).toEqual([]);
    if (!world.locked) expect(world.calls.at(-1)).toBe("unlock");
  });

  it("a run after it is as good as any", async () => {
    world.postgres = "dump breaks";
    await backUp(await world.job());
    world.postgres = "up";
    expect((await backUp(await world.job())).last.outcome).toBe("committed");
  });

  it("a full disk says so, and the status that could not be written does not end the job", async () => {
    const job = await world.job();
    const full = Object.assign(new Error(), { code: "ENOSPC" });
    const effects = { ...job.effects, objects: { ...job.effects.objects, put: () => Promise.reject(full) } };
    const { last } = await backUp({ ...job, effects });
    expect([last.reason, last.hint]).toEqual(["disk: full", "on the VM: df -h /var/lib/docker"]);
  });

  it("a defect is recorded and thrown", async () => {
    const job = await world.job();
    const effects = { ...job.effects, freeBytes: () => Promise.reject(new TypeError("undefined is no number")) };
    await expect(backUp({ ...job, effects })).rejects.toThrow(TypeError);
    expect((await status()).last?.reason).toBe("a defect: undefined is no number");
    expect(world.calls.at(-1)).toBe("unlock");
  });
});

describe("what goes wrong once is tried once more", () => {
  it("a repack during the upload", async () => {
    world.uploads = [3];
    const { last } = await backUp(await world.job());
    expect(last.outcome).toBe("committed");
    expect(world.said).toContain("backup: could not read everything: /x/pack: no such file or directory: once more");
  });

  it("a stale lock is removed", async () => {
    world.uploads = [11];
    expect((await backUp(await world.job())).last.outcome).toBe("committed");
    expect(world.calls).toContain("restic unlock");
    // Nobody gives a stale one back, so it is waited for only where it is still there.
    expect(world.lockWaits).toEqual([undefined, "2m"]);
  });

  it("a repository that was renamed meanwhile has the whole set captured again", async () => {
    world.layouts = ["a", "b"];
    const { last } = await backUp(await world.job());
    expect(last.outcome).toBe("committed");
    expect(world.calls.filter((call) => call === "restic backup")).toHaveLength(3);
    expect(world.markers).toHaveLength(1);
  });

  it("and where that never ends, the set is a degraded one", async () => {
    world.layouts = ["a", "b", "c", "d"];
    expect((await backUp(await world.job())).last.degraded).toEqual([
      {
        part: "git",
        reason: "repositories came, went or were renamed while it was captured; the next set has them right",
      },
    ]);
  });
});

it("what an interrupted run has left is removed by the next", async () => {
  const { layout: paths } = await world.job();
  mkdirSync(join(paths.stage, "pg"), { recursive: true });
  mkdirSync(paths.mirrors, { recursive: true });
  const left = [`${paths.dump("forgejo")}.x.new`, join(paths.mirrors, ".x.y.new")];
  for (const path of left) writeFileSync(path, "half");
  await backUp(await world.job());
  expect(Object.keys(world.tree(world.roots.state)).filter((path) => path.endsWith(".new"))).toEqual([]);
});

it("an object whose name no file can have is named, and the rest is backed up", async () => {
  const key = "x".repeat(300);
  world.objects.set(key, "odd");
  expect((await backUp(await world.job())).last.degraded).toEqual([
    { part: "s3", reason: `forgejo: left out, because no file can have such a name: ${key} (1 in all)` },
  ]);
});
