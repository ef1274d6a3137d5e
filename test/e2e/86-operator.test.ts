import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DrillReport } from "../../backup/drill-record.ts";
import type { Commit } from "../../backup/commit.ts";
import { stackEnvironment } from "../../sandbox/deployment.ts";
import { containerOf } from "../../sandbox/vm/machine.ts";
import type { SshTarget } from "../../ssh-target.ts";
import { engine, files, foundation, onVm, paths, readConfig, run, sandbox, until, vault } from "./rig.ts";

// What an operator does with backups from the laptop: every command, on a foundation with a little in it.

let directory: string;
let taken: Commit;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "foundation-operator-"));
  const { code, stderr } = await sandbox(["up", "--no-verify"]);
  expect(code, stderr).toBe(0);
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

const offsite = () => readConfig()["foundation:offsite"] as SshTarget;
const head = async () => (await run(["git", "-C", paths.project, "rev-parse", "HEAD"])).stdout.trim();

/** What a drill may not leave behind. */
const leftovers = () =>
  onVm(
    "docker ps --all --quiet --filter label=foundation.drill; docker volume ls --quiet --filter label=foundation.drill",
  );

describe("backup", () => {
  test("now: the kit goes along, and services stay up", async () => {
    const { code, stdout, stderr } = await foundation(["backup", "now", "--json", "--state", files.state]);
    expect([0, 2], stderr).toContain(code);
    taken = (JSON.parse(stdout) as { commit: Commit }).commit;
    expect(taken.kit?.commit).toBe(await head());
    expect(taken.postgres.databases.find(({ name }) => name === "forgejo")?.tables["public.user"]).toBeGreaterThan(0);
    expect(taken.degraded).toEqual([]);
  });

  test("list and info show it", async () => {
    const list = await foundation(["backup", "list", "--json"]);
    const listed = JSON.parse(list.stdout) as { commit: Commit }[];
    expect(listed.map(({ commit }) => commit.run)).toContain(taken.run);
    const info = await foundation(["backup", "info", taken.snapshot.slice(0, 12), "--json"]);
    expect(JSON.parse(info.stdout)).toEqual(taken);
    expect((await foundation(["backup", "info", "0123456789ab"])).stderr).toContain(
      "error: backup: no set 0123456789ab",
    );
  });

  test("check and status say that all is well", async () => {
    const check = await foundation(["backup", "check", "--read-data-subset", "1/1"]);
    expect([check.code, check.stdout]).toEqual([0, expect.stringMatching(/^check of 1\/1: nothing wrong \(/)]);
    const status = await foundation(["backup", "status"]);
    expect([status.code, status.stdout]).toEqual([0, expect.stringMatching(/^newest .*\nhealth {4}good\n/)]);
  });

  test("restore --only takes a part out, beside the services and onto this machine", async () => {
    const out = join(directory, "postgres");
    const { code, stderr } = await foundation(["restore", "--only", "postgres", "--out", out]);
    expect(code, stderr).toBe(0);
    expect(readdirSync(out)).toContain("forgejo.dump");
    const dry = await foundation(["restore", "--only", "repo", "no/such", "--dry-run"]);
    expect(dry.stderr + dry.stdout).not.toBe("");
  });
});

describe("restore --to", () => {
  const VM = "look";
  let target: string[];

  async function removeVm(): Promise<void> {
    await run(["docker", "rm", "--force", "--volumes", containerOf(VM)]);
    await run(["docker", "volume", "rm", "--force", `${containerOf(VM)}-docker`]);
  }
  beforeAll(async () => {
    await removeVm();
    const { code, stdout, stderr } = await sandbox(["start", VM]);
    expect(code, stderr).toBe(0);
    const [, address = ""] = /^look: (root@\S+)$/m.exec(stdout) ?? [];
    const [type = "", key = ""] = readFileSync(join(paths.sandbox, "ssh", `host-${VM}.pub`), "utf8").split(" ");
    target = ["--to", address, "--host-key", `${type} ${key}`.trim()];
  });
  afterAll(removeVm);

  test("everything goes as files onto a host that has nothing but ssh and tar, and does not stay on the VM", async () => {
    const { code, stdout, stderr } = await foundation(["restore", ...target, "--into", "/srv/look"]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^backup [0-9a-f]{8} of \S+ is in \/srv\/look on \S+:\n/);
    const { stdout: there } = await run([
      "docker",
      "exec",
      containerOf(VM),
      "sh",
      "-c",
      "cd /srv/look && find . -maxdepth 2",
    ]);
    for (const path of [
      "postgres/forgejo.dump",
      "s3/forgejo",
      "vault/raft.snap",
      "forgejo/forgejo-data",
      "kit/kit.json",
    ])
      expect(there).toContain(`./${path}`);
    expect((await onVm("docker exec backup ls /var/lib/backup/restored")).trim()).not.toContain("all-");
    const again = await foundation(["restore", "--only", "vault", ...target, "--into", "/srv/look"]);
    expect([again.code, again.stderr]).toEqual([8, expect.stringContaining("/srv/look on look is not empty")]);
  });
});

describe("up", () => {
  // The clone that the tests run in may lead to another foundation.
  const up = () => foundation(["up", "--yes", "--no-remote", "--embedded-state", files.state]);
  // Of a shallow clone, the forge takes nothing.
  const succeeded = async () => {
    const { stdout } = await run(["git", "-C", paths.project, "rev-parse", "--is-shallow-repository"]);
    return stdout.trim() === "true" ? 2 : 0;
  };
  const lock = "$(docker volume inspect -f '{{.Mountpoint}}' backup-data)/state/lock";
  const isHeld = async () => (await onVm(`flock --nonblock "${lock}" echo free || echo held`)).trim() === "held";

  test("unseals Vault, holds the backup's lock while it deploys, and sends the kit", async () => {
    await onVm("docker restart vault");
    expect((await vault(["status"])).code).toBe(2);
    const before = await onVm("stat -c %Y /var/lib/foundation/kit/kit.json");
    const ended = up();
    await until("the lock is held", 60, isHeld);
    const { code, stderr } = await ended;
    expect(code, stderr).toBe(await succeeded());
    expect((await vault(["status"])).code).toBe(0);
    expect(await isHeld()).toBe(false);
    expect(await onVm("stat -c %Y /var/lib/foundation/kit/kit.json")).not.toBe(before);
  });

  test("killed, it leaves no lock behind", async () => {
    const argv = ["cli/main.ts", "up", "--yes", "--no-remote", "--embedded-state", files.state, "--stack", "sandbox"];
    const env = { ...process.env, ...stackEnvironment({ paths, environment: process.env }) };
    const options = { cwd: paths.project, env, stdio: "ignore" } as const;
    const child = spawn(process.execPath, [...argv, "--config-file", files.config], options);
    await until("the lock is held", 60, isHeld);
    child.kill("SIGKILL");
    await until("the lock is free", 60, async () => !(await isHeld()));
    await until("the engine has ended", 60, async () => (await up()).code === (await succeeded()));
  });
});

describe("drill", () => {
  test("passes, compares every store, writes a report and leaves nothing", async () => {
    const { code, stdout, stderr } = await foundation(["drill", "--json", "--report", directory]);
    expect(code, stdout + stderr).toBe(0);
    const report = JSON.parse(stdout) as DrillReport;
    expect(report.outcome).toBe("passed");
    expect(report.backup?.run).toBe(taken.run);
    expect(report.phases.map(({ name, outcome }) => [name, outcome])).toEqual([
      ["newest backup", "passed"],
      ["restore", "passed"],
      ["git", "passed"],
      ["Vault", "passed"],
      ["database server", "passed"],
      ...taken.postgres.databases.map(({ name }) => [`database ${name}`, "passed"]),
      ["package blobs", "passed"],
      ["LFS objects", "passed"],
      ["attachments", "passed"],
      ["canary", "passed"],
      ["git fsck", "passed"],
    ]);
    const canary = report.phases.find(({ name }) => name === "canary");
    expect(canary?.detail).toBe(`run ${taken.run} in: object, row, git tag`);
    console.log(report.phases.map(({ name, seconds }) => `${name} ${String(seconds)} s`).join(", "));
    expect(JSON.parse(readFileSync(join(directory, "drill.json"), "utf8"))).toEqual(report);
    expect(readFileSync(join(directory, "drill.html"), "utf8")).toContain("passed: this backup can be restored");
    expect(await leftovers()).toBe("");
  });

  test("a reference without its object and a row without its blob: failed, each by its name", async () => {
    const repository = "/var/lib/gitea/git/repositories/drill/broken.git";
    const psql = (sql: string) =>
      onVm("docker exec -i postgres psql -qU postgres -d forgejo --set=ON_ERROR_STOP=1", sql);
    const id = "1234567890".repeat(4);
    const hash = "ab".repeat(32);
    await onVm(`docker exec forgejo git init --quiet --bare ${repository}`);
    await onVm(`docker exec -i forgejo sh -c 'cat >${repository}/refs/heads/main'`, `${id}\n`);
    await psql(`INSERT INTO package_blob (size, hash_md5, hash_sha1, hash_sha256, hash_sha512, created_unix)
      VALUES (7, '${hash.slice(0, 32)}', '${hash.slice(0, 40)}', '${hash}', '${hash}${hash}', extract(epoch FROM now()));\n`);
    try {
      expect((await foundation(["backup", "now", "--state", files.state])).code).toBe(0);
      const { code, stdout } = await foundation(["drill", "--json"]);
      const { outcome, phases } = JSON.parse(stdout) as DrillReport;
      expect([code, outcome]).toEqual([1, "failed"]);
      expect(
        phases.filter((phase) => phase.outcome === "failed").map(({ name, problems }) => [name, problems]),
      ).toEqual([
        ["git", [`drill/broken.git: refs/heads/main: leads to ${id}, which is not there`]],
        [
          "package blobs",
          [`package blobs: packages/ab/ab/${hash}: the database names it, and it is not in the backup`],
        ],
        ["git fsck", [expect.stringMatching(/^drill\/broken\.git: error: refs\/heads\/main: invalid sha1 pointer/)]],
      ]);
    } finally {
      await onVm(`docker exec forgejo rm -rf ${repository}`);
      await psql(`DELETE FROM package_blob WHERE hash_sha256 = '${hash}';\n`);
      expect((await foundation(["backup", "now", "--state", files.state])).code).toBe(0);
    }
  });

  test("Ctrl-C ends it and leaves nothing on the VM", async () => {
    const argv = ["cli/main.ts", "drill", "--stack", "sandbox", "--config-file", files.config];
    const env = { ...process.env, ...stackEnvironment({ paths, environment: process.env }) };
    const child = spawn(process.execPath, argv, { cwd: paths.project, env, stdio: "ignore" });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    await until("the drill runs", 60, async () => (await leftovers()) !== "");
    child.kill("SIGINT");
    expect(await ended).toBe(130);
    await until("nothing is left", 60, async () => (await leftovers()) === "");
  });

  test("an offsite that is down is an error and not a verdict", async () => {
    await run(["docker", "stop", "foundation-sandbox-offsite"]);
    try {
      const { code, stdout } = await foundation(["drill", "--json"]);
      expect([code, (JSON.parse(stdout) as DrillReport).outcome]).toEqual([7, "error"]);
    } finally {
      await sandbox(["start", "offsite"]);
    }
    await until("the offsite answers", 120, async () => (await foundation(["offsite", "status"])).code !== 7);
  });
});

describe("dr", () => {
  test("check: this machine could rebuild the foundation now", async () => {
    const { code, stdout } = await foundation(["dr", "check"]);
    expect(stdout).not.toContain("TO DO");
    expect(code).toBe(0);
  });

  test("list: what the offsite has, without the VM", async () => {
    const { code, stdout } = await foundation(["dr", "list", "--limit", "1", "--json"]);
    expect([code, (JSON.parse(stdout) as { commit: Commit }[]).length]).toEqual([0, 1]);
  });

  test("fetch: repository, keys and configuration from the offsite and the passphrase alone", async () => {
    const { user, address, port, hostKey } = offsite();
    const target = ["--offsite", `${user}@${address}:${String(port)}`, "--host-key", hostKey];
    const out = join(directory, "fetched");
    const ended = await run([process.execPath, "cli/main.ts", "dr", "fetch", ...target, "--out", out]);
    expect(ended.code, ended.stderr).toBe(0);
    expect((await run(["git", "-C", out, "rev-parse", "HEAD"])).stdout.trim()).toBe(await head());
    const key = join(out, "keys", "stacks", "sandbox.key.json");
    expect(readFileSync(key, "utf8")).toBe(readFileSync(files.keyFile, "utf8"));
    expect(existsSync(join(out, "keys", "stacks", "sandbox.shares.json"))).toBe(true);
    expect(readFileSync(join(out, "Pulumi.sandbox.yaml"), "utf8")).toContain("foundation:domain: foundation.test");
    expect(existsSync(join(out, ".state", "backup", "state.json"))).toBe(true);
  });

  test("fetch: refuses a wrong passphrase, another host key, a directory in use", async () => {
    const { user, address, port, hostKey } = offsite();
    const fetch = (key: string, out: string, environment: Record<string, string> = {}) => {
      const target = ["--offsite", `${user}@${address}:${String(port)}`, "--host-key", key];
      return run([process.execPath, "cli/main.ts", "dr", "fetch", ...target, "--out", out], { environment });
    };
    const wrong = await fetch(hostKey, join(directory, "wrong"), { PULUMI_CONFIG_PASSPHRASE: "not this one at all" });
    expect([wrong.code, wrong.stderr]).toEqual([
      4,
      expect.stringContaining("the passphrase does not open this key file"),
    ]);
    const { hostKey: other } = readConfig()["foundation:host"] as SshTarget;
    const stranger = await fetch(other, join(directory, "stranger"));
    expect([stranger.code, stranger.stderr]).toEqual([7, expect.stringContaining("the pinned host key is")]);
    expect((await fetch(hostKey, directory)).code).toBe(8);
    expect(readdirSync(directory)).not.toContain("wrong");
  });

  test("runbook: the page that was printed names this stack", async () => {
    const { stdout } = await foundation(["dr", "runbook"]);
    expect(stdout).toContain(`--host-key '${offsite().hostKey}'`);
    expect(stdout).not.toMatch(/\b(STACK|OFFSITE_ADDRESS|DOMAIN)\b/);
  });
});

test("nothing of all this has changed the deployment", async () => {
  const { code, stdout } = await engine(["preview", "--json"]);
  expect(code).toBe(0);
  const { changes } = JSON.parse(stdout) as { changes: Record<string, number> };
  expect(Object.entries(changes).filter(([operation, count]) => operation !== "same" && count > 0)).toEqual([]);
});
