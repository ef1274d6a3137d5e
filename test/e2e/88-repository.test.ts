import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DrillReport } from "../../backup/drill-record.ts";
import { sshArguments, type SshTarget } from "../../ssh-target.ts";
import { committed, job } from "./backup-job.ts";
import {
  type Ended,
  engine,
  files,
  foundation,
  loseVm,
  must,
  onVm,
  readConfig,
  sandbox,
  until,
  writeConfig,
} from "./rig.ts";

// The same foundation with its backups in an S3 server of another machine: the VM `offsite`, which is only that here.

const KEYS = { accessKeyId: "AKIAOFFSITE", secretAccessKey: "key-of-the-offsite-bucket" };
const BUCKET = "/data/buckets/backups";
/** What restic would take to give up is fifteen minutes; a deployment without much to do is a part of one. */
const SOON_MS = 60_000;
/** content of the stack's configuration with the second host */
let before: string;
let host: SshTarget;
let repository: string;

const onHost = (command: string): Promise<string> => must(["ssh", ...sshArguments(host), command]);

/** restic on the VM with what the job has. */
function restic(args: string): Promise<string> {
  const environment = [
    `RESTIC_REPOSITORY=${repository} AWS_ACCESS_KEY_ID=${KEYS.accessKeyId} AWS_DEFAULT_REGION=us-east-1`,
    "AWS_SECRET_ACCESS_KEY=$(cat /etc/foundation/offsite_password)",
    "RESTIC_PASSWORD_FILE=/etc/foundation/restic_password RESTIC_CACHE_DIR=/var/lib/backup/cache TMPDIR=/var/lib/backup",
  ];
  return onVm(`docker exec backup sh -c 'export ${environment.join(" ")}; ${args}'`);
}

async function deploy(seed: string, secretAccessKey = KEYS.secretAccessKey): Promise<Ended> {
  const offsite = { repository, ...KEYS, secretAccessKey };
  writeConfig(files.config, { ...readConfig(), "foundation:offsite": offsite, "foundation:seed": seed });
  return await engine(["up"]);
}

/** Fails unless it is refused for this reason and at once. */
async function expectRefusal(work: () => Promise<Ended>, reason: string): Promise<void> {
  const started = Date.now();
  const { code, stdout, stderr } = await work();
  expect(stdout + stderr).toContain(reason);
  expect(code).not.toBe(0);
  expect(Date.now() - started).toBeLessThan(SOON_MS);
}

beforeAll(async () => {
  const { code, stderr } = await sandbox(["up", "--no-verify"]);
  expect(code, stderr).toBe(0);
  before = readFileSync(files.config, "utf8");
  host = readConfig()["foundation:offsite"] as SshTarget;
  // Not 127.0.0.1: Docker publishes nothing there without its proxy.
  const address = `${host.address}:9000`;
  repository = `s3:http://${address}/backups/foundation`;
  const image = (readConfig()["foundation:images"] as Record<string, string>)["rustfs"] ?? "";
  const login = `-e RUSTFS_ACCESS_KEY=${KEYS.accessKeyId} -e RUSTFS_SECRET_KEY=${KEYS.secretAccessKey}`;
  await onHost("docker rm --force --volumes s3 2>&1");
  await onHost(`docker run --detach --name s3 --publish 9000:9000 ${login} ${image}`);
  await until("the S3 server answers", 60, async () => (await fetch(`http://${address}/health/ready`)).ok);
});
afterAll(async () => {
  // The second host knows another VM, and takes no backups of this one.
  await loseVm();
  writeFileSync(files.config, before);
  const { code, stderr } = await sandbox(["up", "--no-verify"]);
  await onHost("docker rm --force --volumes s3");
  expect(code, stderr).toBe(0);
  expect((await committed()).commit.degraded).toEqual([]);
});

describe("a deployment", () => {
  test("without the bucket is refused at once, and creates none", async () => {
    // The engine masks parts of its address, which a secret text holds too.
    await expectRefusal(() => deploy("auto"), "offsite: there is no repository s3:http://");
    expect(await onHost("docker exec s3 ls /data/buckets")).toBe("");
  });

  test("with a wrong key is refused at once", async () => {
    await expectRefusal(() => deploy("fresh", "another-key"), "offsite: refuses this access key: HTTP 403: Signature");
  });

  test("of a fresh foundation creates bucket and repository, and warns of what it does not promise", async () => {
    const { code, stdout, stderr } = await deploy("fresh");
    expect(code, stdout + stderr).toBe(0);
    expect(stdout + stderr).toContain(`offsite is ${repository}: it is not append-only`);
    expect(await onHost(`docker exec s3 ls ${BUCKET}/foundation`)).toContain("config");
  });
});

describe("the repository", () => {
  test("takes backups, checks and drills", async () => {
    const now = await foundation(["backup", "now", "--json", "--state", files.state]);
    expect(now.code, now.stderr).toBe(0);
    const { stdout } = await foundation(["backup", "list", "--json"]);
    expect(JSON.parse(stdout)).toHaveLength(1);
    expect((await foundation(["backup", "check", "--read-data-subset", "1/1"])).code).toBe(0);
    const status = await foundation(["backup", "status"]);
    expect([status.code, status.stderr]).toEqual([0, expect.stringContaining("it is not append-only")]);
    const drill = await foundation(["drill", "--json"]);
    expect([drill.code, (JSON.parse(drill.stdout) as DrillReport).outcome]).toEqual([0, "passed"]);
  });

  test("is pruned with the operator's own restic, as the refusal of `offsite prune` says", async () => {
    const { code, stderr } = await foundation(["offsite", "prune", "--yes"]);
    const [, command = ""] = /^hint: (restic .*) \(what it needs: docs\/reference\.md\)$/m.exec(stderr) ?? [];
    expect([code, command]).toEqual([8, expect.stringContaining(`restic -r ${repository} forget `)]);
    await restic(command);
    expect(JSON.parse((await foundation(["backup", "list", "--json"])).stdout)).toHaveLength(1);
  });

  test("has its key in files only", async () => {
    const containers = "docker inspect $(docker ps --all --quiet)";
    const seen = await onVm(
      `${containers}; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; docker logs backup 2>&1`,
    );
    expect(seen).toContain("/opt/backup/job.mjs");
    expect(seen).not.toContain(KEYS.secretAccessKey);
  });

  test("takes no backup of a VM that another one has replaced", async () => {
    const options = `--json --host foundation --tag generation --tag vm-${"f".repeat(32)}`;
    const made = await restic(`echo x | restic backup ${options} --stdin --stdin-filename generation.json`);
    const [, id = ""] = /"snapshot_id":"([0-9a-f]{64})"/.exec(made) ?? [];
    await expectRefusal(() => job("run"), "offsite: VM ffffffff has taken the repository over, not this one");
    await restic(`restic forget ${id}`);
    await committed();
  });

  test("whose bucket is removed, or whose server falls silent, takes no backup, and is known within seconds", async () => {
    await onHost(`docker exec s3 mv ${BUCKET} /data/away`);
    await expectRefusal(() => job("run"), `offsite: there is no repository ${repository}`);
    await onHost(`docker exec s3 mv /data/away ${BUCKET}; docker pause s3`);
    await expectRefusal(() => job("run"), `offsite: ${host.address}:9000: no answer in 8 s`);
    await onHost("docker unpause s3");
    await committed();
  });

  test("gives everything to an empty VM, with Pulumi's state lost", async () => {
    const { commit } = await committed();
    await loseVm();
    writeConfig(files.config, { ...readConfig(), "foundation:seed": "auto" });
    const { code, stderr } = await sandbox(["up"]);
    expect(code, stderr).toBe(0);
    const journal = JSON.parse(await onVm("cat /var/lib/foundation/seed/seed.json")) as unknown;
    const { snapshot } = commit;
    expect(journal).toMatchObject({ phase: "done", mode: "restored", request: "auto", snapshot });
    await committed();
    const { rebuilt } = JSON.parse((await job("status", "--json")).stdout) as { rebuilt: unknown };
    expect(rebuilt).toMatchObject({ snapshot, stores: ["row", "object", "git tag", "Vault key"], problems: [] });
  });
});
