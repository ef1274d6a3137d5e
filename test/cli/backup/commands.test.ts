import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { EXIT } from "../../../errors.ts";
import { foundation } from "../foundation.ts";
import { startSshServer, type SshServer } from "../ssh-server.ts";
import { newSshKey } from "../../ssh-key.ts";

// The real program over a real SSH connection; only `docker` at its other end is a script that says what the job would.

const hex = (digit: string, length: number) => digit.repeat(length);
const commit = {
  ...{ version: 1, owner: hex("a", 16), vmId: hex("b", 32), run: "11111111-2222-3333-4444-555555555555" },
  ...{ started: "2026-01-31T12:00:00.000Z", finished: "2026-01-31T12:00:16.500Z", snapshot: hex("c", 64) },
  degraded: [{ part: "vault", reason: "vault: sealed; there is no snapshot" }],
  postgres: {
    server: "18.6",
    databases: [
      { name: "forgejo", bytes: 2_000_000, sha256: hex("d", 64), tables: { "public.user": 3, "public.x": 4 } },
    ],
  },
  git: { repositories: 50, refs: 120 },
  s3: { forgejo: { objects: 1000, bytes: 5 * 2 ** 30 } },
  vault: null,
  kit: { commit: hex("e", 40), files: 8 },
};

const key = newSshKey();
const path = process.env["PATH"] ?? "";
let server: SshServer;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "foundation-backup-"));
  writeFileSync(join(directory, "id"), key.private, { mode: 0o600 });
  executable("ssh", `exec /usr/bin/ssh -F /dev/null -i ${directory}/id -o IdentitiesOnly=yes "$@"`);
  // inherited by what the server starts
  process.env["PATH"] = `${directory}:${path}`;
  server = await startSshServer([key.public.split(" ").slice(0, 2).join(" ")]);
});
beforeEach(() => {
  writeConfig({ address: "127.0.0.2", hostKey: server.hostKey.replace(/A{4}/, "AAAB") });
});
afterAll(() => {
  process.env["PATH"] = path;
  server.close();
  rmSync(directory, { recursive: true });
});

function executable(name: string, script: string): void {
  writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(directory, name), 0o755);
}

function writeConfig(offsite: unknown): void {
  const config = {
    domain: "example.org",
    host: { address: "127.0.0.1", port: server.port, hostKey: server.hostKey },
    tls: { mode: "internal" },
    offsite,
    forge: { admin: "operator", adminEmail: "ops@example.org", organisation: "platform" },
  };
  const entries = Object.entries(config).map(([name, value]) => [`foundation:${name}`, value]);
  writeFileSync(join(directory, "config.yaml"), stringify({ config: Object.fromEntries(entries) }));
}

/** What the job answers: JSON on standard output, lines on standard error, an exit code. */
function job(result: unknown, { lines = [], code = 0 }: { lines?: string[]; code?: number } = {}): void {
  writeFileSync(join(directory, "stdout"), result === undefined ? "" : JSON.stringify(result));
  writeFileSync(join(directory, "stderr"), lines.map((line) => `${line}\n`).join(""));
  const script = `echo "$@" >${directory}/argv; cat ${directory}/stderr >&2; cat ${directory}/stdout; exit ${String(code)}`;
  executable("docker", script);
}

const run = (...args: string[]) =>
  foundation([...args, "--config-file", join(directory, "config.yaml")], { PATH: `${directory}:${path}` });
const argv = () => readFileSync(join(directory, "argv"), "utf8").trim();

test("list: a table, the newest first; progress passes through", async () => {
  const older = {
    id: hex("1", 64),
    commit: { ...commit, degraded: [], finished: "2026-01-30T00:00:00.000Z", snapshot: hex("f", 64) },
  };
  job([older, { id: hex("2", 64), commit }], { lines: ["backup: left out: 3333: not JSON"] });
  expect(await run("backup", "list")).toEqual({
    exitCode: EXIT.ok,
    stderr: "backup: left out: 3333: not JSON\n",
    stdout: `┌──────────┬──────────────────────────┬──────────────┬─────────┬──────┬─────────┐
│ id       │ finished                 │ repositories │ objects │ rows │ without │
│ cccccccc │ 2026-01-31T12:00:16.500Z │           50 │    1000 │    7 │ vault   │
│ ffffffff │ 2026-01-30T00:00:00.000Z │           50 │    1000 │    7 │         │
└──────────┴──────────────────────────┴──────────────┴─────────┴──────┴─────────┘
Look into one: npx foundation backup info ID
`,
  });
  expect(argv()).toBe("exec backup node /opt/backup/job.mjs list --json");
});

test("info", async () => {
  job(commit);
  const { stdout } = await run("backup", "info", "cccccccc");
  expect(stdout).toBe(`backup    cccccccc, finished 2026-01-31T12:00:16.500Z, took 16.5 s
run       11111111-2222-3333-4444-555555555555 on VM bbbbbbbb
database  forgejo: 7 rows in 2 tables, 1.9 MiB, PostgreSQL 18.6
git       50 repositories, 120 references
bucket    forgejo: 1000 objects, 5.0 GiB
Vault     not in it
kit       repository at eeeeeeee, 8 files
without   vault: vault: sealed; there is no snapshot
`);
  expect(argv()).toBe("exec backup node /opt/backup/job.mjs info cccccccc --json");
});

test("status: exit code 2 where there is something to do", async () => {
  const last = { outcome: "degraded", finished: "2026-01-31T12:00:16Z", degraded: commit.degraded };
  const check = { part: "3/28", finished: "2026-01-31T01:00:00Z" };
  const found = { name: "git", outcome: "failed", detail: "2 repositories", problems: ["a/b.git: packed-refs"] };
  const drill = { outcome: "failed", started: "2026-01-31T02:00:00Z", seconds: 17, backup: commit, phases: [found] };
  const newest = { run: commit.run, snapshot: commit.snapshot, finished: commit.finished };
  const problems = ["canary: the git tag is of run 1, not of 2"];
  const rebuilt = { finished: "2026-01-31T01:00:00Z", snapshot: commit.snapshot, stores: ["row", "git tag"], problems };
  job({ commit: newest, last, check, rebuilt, ageSeconds: 700, everyMinutes: 15, healthy: true, drill }, { code: 2 });
  expect(await run("backup", "status")).toEqual({
    exitCode: EXIT.attention,
    stderr: "",
    stdout: `newest    cccccccc, 12 min old; one is due every 15 min
health    good
last run  degraded 2026-01-31T12:00:16Z
without   vault: vault: sealed; there is no snapshot
check     3/28: nothing wrong (2026-01-31T01:00:00Z)
rebuilt   from cccccccc: canary: the git tag is of run 1, not of 2
drill     failed 2026-01-31T02:00:00Z, backup cccccccc, 17.0 s: git: a/b.git: packed-refs
`,
  });
});

test("status --metrics: the same for Prometheus", async () => {
  job(
    { commit: null, last: null, check: null, ageSeconds: null, everyMinutes: 15, healthy: false, drill: null },
    { code: 1 },
  );
  const { exitCode, stdout } = await run("backup", "status", "--metrics");
  expect([exitCode, stdout.split("\n").filter((line) => !line.startsWith("#"))]).toEqual([
    EXIT.failed,
    ["foundation_backup_healthy 0", "foundation_backup_interval_seconds 900", ""],
  ]);
  expect(argv()).toBe("exec backup node /opt/backup/job.mjs status --json");
});

test("collect: what went, and exit code 1 where it was not all", async () => {
  const finished = "2026-01-31T12:00:00Z";
  job({ finished, removed: 3, bytes: 2048, waiting: 1 });
  expect(await run("backup", "collect")).toEqual({
    exitCode: EXIT.ok,
    stderr: "",
    stdout: "3 files removed, 2.0 KiB; 1 more wait for their time (2026-01-31T12:00:00Z)\n",
  });
  expect(argv()).toBe("exec backup node /opt/backup/job.mjs collect --json");
  job({ finished, removed: 0, bytes: 0, waiting: 0, reason: "s3: forgejo: ECONNREFUSED" }, { code: 1 });
  expect(await run("backup", "collect", "--force")).toEqual({
    exitCode: EXIT.failed,
    stderr: "",
    stdout: "nothing more removed: s3: forgejo: ECONNREFUSED (2026-01-31T12:00:00Z)\n",
  });
  expect(argv()).toBe("exec backup node /opt/backup/job.mjs collect --json --force");
});

test("check: what is wrong, and exit code 1", async () => {
  job({ part: "1/1", finished: "2026-01-31T12:00:00Z", reason: "restic: pack 12: hash does not match" }, { code: 1 });
  expect(await run("backup", "check", "--read-data-subset", "1/1")).toEqual({
    exitCode: EXIT.failed,
    stderr: "",
    stdout: "check of 1/1: restic: pack 12: hash does not match (2026-01-31T12:00:00Z)\n",
  });
  expect(argv()).toBe("exec backup node /opt/backup/job.mjs check --json --read-data-subset 1/1");
});

test.each<[string, string[], number, string]>([
  [
    "the job's own error",
    ["error: offsite: 10.0.0.9: ECONNREFUSED", "hint: is it up?"],
    EXIT.unreachable,
    "error: offsite: 10.0.0.9: ECONNREFUSED\nhint: is it up?\n",
  ],
  [
    "no container",
    ["Error response from daemon: No such container: backup"],
    1,
    "error: backup: the container backup does not run on the VM\nhint: pulumi up\n",
  ],
])("%s", async (_title, lines, code, stderr) => {
  job(undefined, { lines, code });
  const exitCode = code === 1 ? EXIT.unreachable : code;
  expect(await run("backup", "list")).toEqual({ exitCode, stdout: "", stderr });
});

test("offsite none: one clear text, nothing is contacted", async () => {
  writeConfig("none");
  for (const args of [
    ["backup", "now"],
    ["backup", "list"],
    ["backup", "kit"],
    ["restore", "--only", "s3"],
  ]) {
    expect(await run(...args)).toEqual({
      exitCode: EXIT.attention,
      stdout: "",
      stderr:
        "error: backup: this stack has no offsite, so there is no backup: foundation:offsite is none\n" +
        "hint: pulumi config set --path foundation:offsite.address 198.51.100.9, then offsite.hostKey, then pulumi up\n",
    });
  }
});

describe("a repository that somebody else keeps", () => {
  const url = "s3:https://s3.example.net/bucket/foundation";
  const warning = `offsite is ${url}: it is not append-only, whoever has the VM can delete the backups`;
  beforeEach(() => writeConfig({ repository: url, accessKeyId: "AKIA123", secretAccessKey: { secure: "v1:x" } }));

  test("what the job does it does there too, and status warns", async () => {
    job([{ id: hex("2", 64), commit }]);
    expect((await run("backup", "list")).exitCode).toBe(EXIT.ok);
    job({ commit: null, last: null, check: null, ageSeconds: null, everyMinutes: 15, healthy: true, drill: null });
    expect((await run("backup", "status")).stderr).toBe(`warning: ${warning}\n`);
  });

  test("what is done on a host of ours is refused, with the tool that does it", async () => {
    const { exitCode, stderr } = await run("offsite", "status");
    expect([exitCode, stderr]).toEqual([
      EXIT.refused,
      `error: offsite status: the offsite is no host of ours but the repository ${url}\nhint: npx foundation backup status\n`,
    ]);
  });

  test("the runbook keeps its placeholders", async () => {
    expect((await run("dr", "runbook")).stdout).toContain("OFFSITE_ADDRESS");
  });
});

test("restore --only: what the job is asked for, and where the result is", async () => {
  job({
    snapshot: commit.snapshot,
    backup: commit.finished,
    directory: "/var/lib/backup/restored/repo-cccccccc",
    content: ["a/b.git"],
  });
  const { stdout } = await run("restore", "--only", "repo", "a/b", "--at", "2026-01-31T13:00:00Z", "--dry-run");
  expect(stdout).toBe(
    "backup cccccccc of 2026-01-31T12:00:16.500Z would be in /var/lib/backup/restored/repo-cccccccc in the container backup on the VM:\n  a/b.git\n",
  );
  expect(argv()).toBe(
    "exec backup node /opt/backup/job.mjs restore --only repo a/b --at 2026-01-31T13:00:00Z --dry-run --json",
  );
});

test("restore of everything says how, and does nothing", async () => {
  const { exitCode, stdout } = await run("restore", "--id", "cccccccc");
  expect(exitCode).toBe(EXIT.attention);
  expect(stdout).toContain("--path foundation:host.address NEW_ADDRESS\n");
  expect(stdout).toContain("foundation:seed cccccccc\n");
});

test("dr runbook: the page with the stack's own names", async () => {
  const { stdout } = await run("dr", "runbook");
  expect(stdout).toContain("npx foundation dr check --stack prod\n");
  expect(stdout).toContain("--offsite root@127.0.0.2:22 --host-key 'ssh-ed25519 ");
  expect(stdout).not.toMatch(/STACK|OFFSITE_|DOMAIN/);
});
