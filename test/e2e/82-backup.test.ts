import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Commit } from "../../backup/commit.ts";
import type { LastRun } from "../../backup/status.ts";
import { EXIT } from "../../errors.ts";
import { deriveSecrets, type DerivedSecrets } from "../../keys/derive.ts";
import { openKeyFile } from "../../keys/keyfile.ts";
import { passphraseFrom } from "../../keys/passphrase.ts";
import { backup, cutOffKeys, job, onOffsite, restic, type RunResult } from "./backup-job.ts";
import { files, onVm, sandbox, until, vault } from "./rig.ts";

// The backup job on a running foundation: what it makes, and what it does when something is missing.

const sets = async (): Promise<string[]> =>
  (JSON.parse((await job("list", "--json")).stdout) as { id: string }[]).map(({ id }) => id);
const status = async (): Promise<{ last: LastRun; healthy: boolean }> =>
  JSON.parse((await job("status", "--json")).stdout) as { last: LastRun; healthy: boolean };
const healthy = async (container: string): Promise<boolean> =>
  (await onVm(`docker inspect --format '{{.State.Health.Status}}' ${container}`)).trim() === "healthy";
const healthOf = (container: string): Promise<void> => until(`${container} is healthy`, 120, () => healthy(container));

async function readSecrets(): Promise<DerivedSecrets> {
  const passphrase = passphraseFrom({ PULUMI_CONFIG_PASSPHRASE_FILE: files.passphrase }, readFileSync);
  return deriveSecrets(await openKeyFile({ path: files.keyFile, passphrase }));
}

beforeAll(async () => {
  const { code, stderr } = await sandbox(["up", "--no-verify"]);
  expect(code, stderr).toBe(0);
  await vault(["unseal"]);
});

describe("a run", () => {
  let first: RunResult;

  test("makes a set that has its marker, and says what is in it", async () => {
    const made = await backup();
    expect([made.code, made.outcome, made.reason]).toEqual([EXIT.ok, "committed", undefined]);
    first = made;
    expect((await sets())[0]).toBe(made.id);
    const { stdout } = await job("info", String(made.commit?.snapshot), "--json");
    expect(JSON.parse(stdout)).toEqual(made.commit);
  });

  test("counts what the stores hold", async () => {
    const { postgres, git, s3, vault: snapshot } = first.commit ?? ({} as Commit);
    const repositories = await onVm(
      "find /var/lib/docker/volumes/forgejo-data/_data/git/repositories -name '*.git' -maxdepth 2 | wc -l",
    );
    expect(git.repositories).toBe(Number(repositories));
    expect(s3["forgejo"]?.objects).toBeGreaterThan(0);
    const { n, t } = JSON.parse(await onVm("docker exec vault vault status -format=json")) as { n: number; t: number };
    expect(snapshot).toMatchObject({ n, t });
    const forge = postgres.databases.find(({ name }) => name === "forgejo");
    const users = await onVm(`docker exec postgres psql -U postgres -d forgejo -Atc 'SELECT count(*) FROM "user"'`);
    expect(forge?.tables["public.user"]).toBe(Number(users));
  });

  test("with nothing changed uploads less than 3 MB", async () => {
    const again = await backup();
    expect([again.outcome, again.code]).toEqual(["committed", EXIT.ok]);
    expect(again.addedBytes).toBeLessThan(3_000_000);
    console.log(`backup: ${JSON.stringify(again.seconds)}, ${String(again.addedBytes)} bytes added`);
  });

  test("leaves its id in all four stores, and of former runs nothing", async () => {
    const { run: id } = await backup();
    const { vaultAppRole } = await readSecrets();
    const { roleId, secretId } = vaultAppRole("backup");
    const login = JSON.stringify({ role_id: roleId, secret_id: secretId });
    const asBackup = `docker exec -i -e VAULT_ADDR=http://127.0.0.1:8200 vault sh -c 'export VAULT_TOKEN=$(vault write -field=token auth/approle/login -); vault`;
    const tags = "docker exec forgejo git -C /var/lib/gitea/git/repositories/foundation-backup/canary.git tag";
    expect(await onVm("docker exec postgres psql -U postgres -d backup -Atc 'SELECT run FROM canary'")).toBe(`${id}\n`);
    expect(await onVm(tags)).toBe(`${id}\n`);
    expect((await onVm(`${asBackup} kv get -field=run foundation/backup/canary'`, login)).trim()).toBe(id);
    // Nothing else of the store is the backup's to read or write.
    expect(await onVm(`${asBackup} kv get foundation/forgejo/admin 2>&1; true'`, login)).toContain("permission denied");
    expect(await onVm(`${asBackup} kv put foundation/backup/x a=b 2>&1; true'`, login)).toContain("permission denied");
  });

  test("with the forge down makes a set without the canary in git", async () => {
    await onVm("docker stop forgejo");
    try {
      const { code, degraded } = await backup();
      expect([code, degraded]).toEqual([
        EXIT.attention,
        [
          {
            part: "canary in git",
            reason: expect.stringMatching(
              /^forge: GET foundation-backup\/canary\/tags: (ENOTFOUND|EAI_AGAIN|ECONNREFUSED|EHOSTUNREACH|no answer in 30 s)$/,
            ),
          },
        ],
      ]);
    } finally {
      await onVm("docker start forgejo");
      await healthOf("forgejo");
    }
    expect((await backup()).outcome).toBe("committed");
  });

  test("is what the container's health is about", () => healthOf("backup"));

  test("is followed by a check that finds nothing", async () => {
    const { code, stdout } = await job("check", "--json", "--read-data-subset", "1/1");
    expect([code, JSON.parse(stdout)]).toEqual([EXIT.ok, { finished: expect.any(String), part: "1/1" }]);
  });
});

describe("when something is missing", () => {
  /** Runs with a fault, and expects no set, the reason in the status, and every other service as it was. */
  async function expectFailure(reason: RegExp): Promise<void> {
    const before = await sets();
    const { code, outcome } = await backup();
    expect([code, outcome]).toEqual([EXIT.failed, "failed"]);
    const { last, healthy: isHealthy } = await status();
    expect(last.reason).toMatch(reason);
    expect(isHealthy).toBe(false);
    expect(await healthy("forgejo")).toBe(true);
    expect(before[0]).toBeDefined();
  }

  test("Vault is sealed: a set with the snapshot from before", async () => {
    const { commit } = await backup();
    await onVm("docker restart vault");
    const { code, degraded, commit: without } = await backup();
    expect([code, degraded]).toEqual([
      EXIT.attention,
      [{ part: "vault", reason: `vault: sealed; the snapshot is that of ${String(commit?.vault?.taken)}` }],
    ]);
    expect(without?.vault).toEqual(commit?.vault);
    expect((await vault(["unseal"])).code).toBe(EXIT.ok);
    expect((await backup()).outcome).toBe("committed");
  });

  test("PostgreSQL is down: no set", async () => {
    const before = await sets();
    await onVm("docker stop postgres");
    try {
      const { code, reason } = await backup();
      expect([code, reason]).toEqual([
        EXIT.failed,
        expect.stringMatching(/^postgres: forgejo: .*(could not translate host name|refused)/),
      ]);
    } finally {
      await onVm("docker start postgres");
      await healthOf("postgres");
    }
    expect(await sets()).toEqual(before);
  });

  test("S3 is down: no set", async () => {
    const before = await sets();
    await onVm("docker stop rustfs");
    try {
      await expectFailure(/^s3: forgejo: (ENOTFOUND|EAI_AGAIN|ECONNREFUSED)/);
    } finally {
      await onVm("docker start rustfs");
      await healthOf("rustfs");
    }
    expect(await sets()).toEqual(before);
  });

  test("the offsite is down: no set, and known within seconds", async () => {
    const before = await sets();
    await onOffsite("docker stop offsite");
    try {
      const { code, reason, started, finished } = await backup();
      expect([code, reason]).toEqual([EXIT.failed, expect.stringMatching(/^offsite: .*:8000: ECONNREFUSED$/)]);
      expect(Date.parse(finished) - Date.parse(started)).toBeLessThan(10_000);
    } finally {
      await onOffsite("docker start offsite");
    }
    await until("the offsite answers", 30, async () => (await job("list", "--json")).code === EXIT.ok);
    expect(await sets()).toEqual(before);
  });

  test("the disk is full: no set", async () => {
    const before = await sets();
    const stage = "/var/lib/docker/volumes/backup-data/_data/stage/pg";
    // Seen by the container once it has been started anew.
    await onVm(`mount -t tmpfs -o size=256k,uid=1000,gid=1000,mode=0700 tmpfs ${stage} && docker restart backup`);
    try {
      await expectFailure(/^postgres: dump of forgejo: .*No space left on device/);
    } finally {
      await onVm(`umount ${stage} && docker restart backup`);
    }
    expect(await sets()).toEqual(before);
    expect((await backup()).outcome).toBe("committed");
  });

  describe("because a run is cut short", () => {
    const LOCKS = "/var/lib/foundation-offsite/data/foundation-*/locks";
    const locks = () => onOffsite(`ls ${LOCKS}`);
    beforeEach(async () => {
      await onOffsite(`find ${LOCKS} -type f -delete`);
      // Enough to be caught at.
      await onVm("docker exec forgejo sh -c 'head -c 400000000 /dev/urandom >/var/lib/gitea/ballast'");
    });
    afterEach(() => onVm("docker exec forgejo rm -f /var/lib/gitea/ballast"));

    /** Sends a signal to what matches, as soon as restic has its lock for the work. */
    async function signal(name: string, processes: string): Promise<void> {
      await until("restic works", 60, async () => (await locks()) !== "");
      await onVm(`docker top backup -eo pid,args | awk '/${processes}/ { print $1 }' | xargs kill -${name}`);
    }

    test("killed: the next one makes its set", async () => {
      const killed = job("run", "--json");
      await signal("KILL", "job.mjs run|restic backup");
      expect((await killed).code).not.toBe(EXIT.ok);
      const { outcome, reason } = await backup();
      expect([outcome, reason]).toEqual(["committed", undefined]);
    });

    test("asked to end: it leaves no lock behind", async () => {
      const ended = job("run", "--json");
      await signal("TERM", "node .*job.mjs run");
      const { code, stdout } = await ended;
      expect([code, (JSON.parse(stdout) as RunResult).reason]).toEqual([EXIT.failed, "interrupted"]);
      expect(await locks()).toBe("");
    });

    test("a check that was killed left a lock against everybody: the next run removes it", async () => {
      const made = await backup();
      expect([made.outcome, made.reason]).toEqual(["committed", undefined]);
      const killed = job("check", "--json", "--read-data-subset", "1/1");
      await signal("KILL", "job.mjs check|restic check");
      expect((await killed).code).not.toBe(EXIT.ok);
      expect(await locks()).not.toBe("");
      const { outcome, reason } = await backup();
      expect([outcome, reason]).toEqual(["committed", undefined]);
      expect(await locks()).toBe("");
    });
  });

  test("keys that somebody put there with the VM's credential do not stop it", async () => {
    const directory = "/var/lib/foundation-offsite/data/foundation-*/keys";
    const keys = cutOffKeys(8, (await onOffsite(`ls ${directory}`)).trim().split("\n"));
    try {
      for (const { name, key } of keys) {
        await onOffsite(`cd ${directory} && printf %s '${key}' >${name} && chmod 444 ${name}`);
      }
      expect(await onVm(`${restic("snapshots --no-lock")} 2>&1; true`)).toContain("Fatal: crypto.KDF: scrypt()");
      expect(await backup()).toMatchObject({ outcome: "committed", code: EXIT.ok });
    } finally {
      await onOffsite(`cd ${directory} && rm -f ${keys.map(({ name }) => name).join(" ")}`);
    }
  });

  test("two runs at the same time make two sets, one after the other", async () => {
    const runs = (await Promise.all([backup(), backup()])).sort((a, b) => a.finished.localeCompare(b.finished));
    expect(runs.map(({ outcome }) => outcome)).toEqual(["committed", "committed"]);
    expect(Date.parse(runs[1]?.finished ?? "")).toBeGreaterThan(Date.parse(runs[0]?.finished ?? ""));
    expect(Date.parse(runs[1]?.started ?? "")).toBeGreaterThanOrEqual(Date.parse(runs[0]?.finished ?? ""));
    // restic takes the lock of a process that is gone from its own host for stale: no two containers may be one host.
    expect(await onVm("docker inspect --format '{{.Config.Hostname}}' backup")).toMatch(/^[0-9a-f]{12}\n$/);
  });
});

/** What git fast-import reads: a commit with so many files. */
function manyObjects(count: number): string {
  const names = Array.from({ length: count }, (_, index) => String(index + 1));
  const blobs = names.map((name) => `blob\nmark :${name}\ndata ${String(name.length)}\n${name}\n`);
  const files = names.map((name) => `M 100644 :${name} f${name}\n`);
  return `${blobs.join("")}commit refs/heads/main\ncommitter a <a@example.org> 0 +0000\ndata 1\nx\n${files.join("")}`;
}

test("repositories are packed between backups, and by nobody else", async () => {
  expect(await onVm("systemctl is-active foundation-git-gc.timer")).toBe("active\n");
  const settings = await onVm(
    "docker exec forgejo sh -c 'HOME=/var/lib/gitea/home git config --global --get-regexp \"^(gc.auto|receive.autogc)$\"'",
  );
  expect(settings.split("\n").sort()).toEqual(["", "gc.auto 0", "receive.autogc false"]);
  const repository = "/var/lib/gitea/git/repositories/packed/r.git";
  const git = `docker exec -u 1000 forgejo git -C ${repository}`;
  await onVm(
    `docker exec -i -u 1000 forgejo sh -c 'git init --quiet --bare ${repository}; cd ${repository}; git -c fastimport.unpackLimit=10000 fast-import --quiet'`,
    manyObjects(2000),
  );
  expect(await onVm(`${git} count-objects`)).toMatch(/^2002 objects/);
  await backup();
  const ended = backup();
  await onVm("systemctl start foundation-git-gc.service");
  expect((await ended).outcome).toBe("committed");
  expect(await onVm("systemctl show --property Result --value foundation-git-gc.service")).toBe("success\n");
  expect(await onVm(`${git} count-objects`)).toMatch(/^0 objects/);
  await onVm(`docker exec forgejo rm -r ${repository.replace("/r.git", "")}`);
});

describe("while repositories are written to all the time", () => {
  const RUNS = Number(process.env["FOUNDATION_BACKUP_RUNS"] ?? 3);
  /** Of the negative control: so many, and more as long as chance was kind to all of them. */
  const NAIVE = { atLeast: 3, atMost: 12 };
  const REPOSITORIES = "/var/lib/gitea/git/repositories/load";
  /** On the disk: behind /tmp is memory. */
  const FSCK = "/var/lib/gitea/tmp/fsck";
  /** Commits into four repositories as fast as git can, packing now and then, as pushes and their housekeeping do. */
  const LOAD = `
    export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
    for r in 1 2 3 4; do git init --quiet --bare --initial-branch=main ${REPOSITORIES}/r$r.git; done
    i=0
    while [ ! -e ${REPOSITORIES}/stop ]; do
      [ ! -e ${REPOSITORIES}/slowly ] || sleep 0.1
      i=$((i + 1)); cd ${REPOSITORIES}/r$((i % 4 + 1)).git
      blob=$(head -c 2000 /dev/urandom | git hash-object -w --stdin)
      tree=$(printf '100644 blob %s\\tfile\\n' $blob | git mktree)
      parent=$(git rev-parse --verify --quiet refs/heads/main)
      new=$(git commit-tree $tree \${parent:+-p $parent} -m $i)
      git update-ref refs/heads/main $new; git update-ref refs/heads/b$((i % 50)) $new
      if [ $((i % 201)) = 0 ]; then git pack-refs --all; git repack -dq; fi
    done`;
  beforeAll(async () => {
    await onVm(`docker exec forgejo mkdir -p ${REPOSITORIES}`);
    await onVm(`docker exec -i forgejo sh -c 'cat >/tmp/load.sh; sh /tmp/load.sh >/dev/null 2>&1 &'`, LOAD);
    await until(
      "commits arrive",
      30,
      async () => (await onVm(`docker exec forgejo git -C ${REPOSITORIES}/r4.git rev-list --count main`)) > "1",
    );
  });
  afterAll(async () => {
    await onVm(`docker exec forgejo sh -c 'touch ${REPOSITORIES}/stop; sleep 2; rm -rf ${REPOSITORIES}'`);
  });

  /** Restores the repositories of a snapshot, with or without their manifests, and has git look at each. */
  async function corrupt(snapshot: string, manifest: boolean): Promise<number> {
    const target = `/var/lib/backup/restored-${snapshot.slice(0, 8)}`;
    const volume = target.replace("/var/lib/backup", "/var/lib/docker/volumes/backup-data/_data");
    const paths = ["/sources/forgejo/git/repositories/load", "/var/lib/backup/stage/refs/load"];
    await onVm(
      restic(
        `restore --no-lock --quiet ${snapshot} --target ${target} ${paths.map((path) => `--include ${path}`).join(" ")}`,
      ),
    );
    const apply = `for r in *.git; do rm -rf $r/refs; mkdir -p $r/refs/heads; cp ${volume}/var/lib/backup/stage/refs/load/$r/* $r/; done`;
    await onVm(
      `cd ${volume}/sources/forgejo/git/repositories/load && { ${manifest ? apply : "true"}; } && tar -cf - *.git | docker exec -i forgejo sh -c 'rm -rf ${FSCK}; mkdir -p ${FSCK}; tar -xf - -C ${FSCK}'`,
    );
    const bad = await onVm(
      `docker exec forgejo sh -c 'for r in ${FSCK}/*.git; do git -C $r fsck --full --no-dangling >/dev/null 2>&1 || echo $r; done; rm -rf ${FSCK}'; rm -rf ${volume}`,
    );
    return bad.split("\n").filter(Boolean).length;
  }

  test(`every repository of ${String(RUNS)} sets is whole`, { timeout: (20 + RUNS) * 60_000 }, async () => {
    const found: unknown[] = [];
    // At full speed, a hundred sets would mostly wait for git.
    if (RUNS > 10) await onVm(`docker exec forgejo touch ${REPOSITORIES}/slowly`);
    for (let index = 0; index < RUNS; index += 1) {
      const { outcome, reason, commit } = await backup();
      found.push([outcome, reason, commit ? await corrupt(commit.snapshot, true) : "no set"]);
    }
    expect(found).toEqual(Array.from({ length: RUNS }, () => ["committed", undefined, 0]));
  });

  test("the negative control: files as restic finds them are corrupt, and restic calls that a success", async () => {
    const results: number[] = [];
    await onVm(`docker exec forgejo rm -f ${REPOSITORIES}/slowly`);
    while (results.length < NAIVE.atLeast || (Math.max(...results) === 0 && results.length < NAIVE.atMost)) {
      const output = await onVm(
        `${restic("backup --json --host naive --tag naive /sources/forgejo/git/repositories/load")} || true`,
      );
      const id = /"snapshot_id":"([0-9a-f]{64})"/.exec(output)?.[1] ?? "";
      results.push(await corrupt(id, false));
    }
    console.log(`naive: corrupt repositories of 4 per backup: ${results.join(", ")}`);
    expect(Math.max(...results)).toBeGreaterThan(0);
  });
});

test("no secret is in the container's description, its processes or its log", async () => {
  const running = job("run", "--json");
  const looks: string[] = [];
  for (let look = 0; look < 10; look += 1) looks.push(await onVm("docker top backup -eo pid,args"));
  await running;
  const shown = [
    ...looks,
    await onVm("docker inspect backup"),
    await onVm("docker logs backup 2>&1"),
    await onVm("docker history --no-trunc $(docker inspect --format '{{.Image}}' backup)"),
  ].join("\n");
  const names = [
    "offsite_password",
    "restic_password",
    "postgres_password",
    "forge_password",
    "s3_access_key",
    "s3_secret_key",
    "vault_secret_id",
  ];
  for (const name of names) {
    const secret = (await onVm(`cat /etc/foundation/backup/${name}`)).trim();
    expect(secret.length).toBeGreaterThanOrEqual(20);
    expect([name, shown.includes(secret)]).toEqual([name, false]);
  }
});
