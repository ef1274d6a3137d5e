import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { DrillReport } from "../../backup/drill-record.ts";
import { sshArguments, type SshTarget } from "../../ssh-target.ts";
import { files, foundation, onVm, readConfig, run, sandbox, writeConfig } from "./rig.ts";

// The same foundation with its backups in an S3 server of another machine: the VM `offsite`, which is only that here.

const KEYS = { accessKeyId: "AKIAOFFSITE", secretAccessKey: "key-of-the-offsite-bucket" };
let offsite: SshTarget;
let before: string;
let repository: string;

async function onOffsite(command: string): Promise<string> {
  const { code, stdout, stderr } = await run(["ssh", ...sshArguments(offsite), command]);
  expect(code, `${command}: ${stderr}`).toBe(0);
  return stdout;
}

/** restic beside the S3 server, as somebody who has the keys and the password. */
function restic(args: string): Promise<string> {
  const image = (readConfig()["foundation:images"] as Record<string, string>).restic ?? "";
  const env = `-e AWS_ACCESS_KEY_ID=${KEYS.accessKeyId} -e AWS_SECRET_ACCESS_KEY=${KEYS.secretAccessKey}`;
  const input = "-v /run/s3-test:/t:ro";
  return onOffsite(
    `echo x | docker run --rm -i --network host ${env} ${input} ${image} -r s3:http://127.0.0.1:9000/backups/foundation --no-cache --password-file /t/password ${args}`,
  );
}

beforeAll(async () => {
  const { code, stderr } = await sandbox(["up", "--no-verify"]);
  expect(code, stderr).toBe(0);
  before = readFileSync(files.config, "utf8");
  offsite = readConfig()["foundation:offsite"] as SshTarget;
  repository = `s3:http://${offsite.address}:9000/backups/foundation`;
  const image = (readConfig()["foundation:images"] as Record<string, string>).rustfs ?? "";
  const login = `-e RUSTFS_ACCESS_KEY=${KEYS.accessKeyId} -e RUSTFS_SECRET_KEY=${KEYS.secretAccessKey}`;
  await onOffsite(`docker rm --force --volumes s3 2>/dev/null; docker run -d --name s3 -p 9000:9000 ${login} ${image}`);
  await onOffsite("umask 077; mkdir -p /run/s3-test");
  const password = await onVm("cat /etc/foundation/backup/restic_password");
  await run(["ssh", ...sshArguments(offsite), "cat >/run/s3-test/password"], { input: password });
});
afterAll(async () => {
  writeFileSync(files.config, before);
  const { code, stderr } = await sandbox(["up", "--no-verify"]);
  await onOffsite("docker rm --force --volumes s3; rm -rf /run/s3-test");
  expect(code, stderr).toBe(0);
});

function configure(seed: string): void {
  const config = { ...readConfig(), "foundation:offsite": { repository, ...KEYS }, "foundation:seed": seed };
  writeConfig(files.config, config);
}

test("a repository that is not there is created only where `fresh` is asked for", async () => {
  configure("auto");
  const refused = await sandbox(["up", "--no-verify"]);
  expect(refused.code).not.toBe(0);
  expect(refused.stdout + refused.stderr).toContain(`offsite: there is no repository ${repository}`);
  configure("fresh");
  const { code, stderr } = await sandbox(["up", "--no-verify"]);
  expect(code, stderr).toBe(0);
  expect(stderr).toContain(`offsite is ${repository}: it is not append-only`);
});

test("backups, checks and drills go there, and status warns", async () => {
  const now = await foundation(["backup", "now", "--json", "--state", files.state]);
  expect(now.code, now.stderr).toBe(0);
  const list = await foundation(["backup", "list", "--json"]);
  expect((JSON.parse(list.stdout) as unknown[]).length).toBeGreaterThan(0);
  expect((await foundation(["backup", "check", "--read-data-subset", "1/1"])).code).toBe(0);
  const status = await foundation(["backup", "status"]);
  expect([status.code, status.stderr]).toEqual([0, expect.stringContaining("it is not append-only")]);
  const drill = await foundation(["drill", "--json"]);
  expect([drill.code, (JSON.parse(drill.stdout) as DrillReport).outcome]).toEqual([0, "passed"]);
  const prune = await foundation(["offsite", "prune", "--yes"]);
  expect([prune.code, prune.stderr]).toEqual([8, expect.stringContaining("hint: restic -r s3:http://")]);
});

test("the keys are in files only", async () => {
  const inspected = await onVm(
    "docker inspect backup; docker exec backup ps -ef || true; cat /proc/*/cmdline | tr '\\0' ' '",
  );
  expect(inspected).not.toContain(KEYS.secretAccessKey);
});

test("a VM that was replaced backs up no more", async () => {
  const other = "f".repeat(32);
  const backup = `backup --json --host foundation --tag generation --tag vm-${other} --stdin --stdin-filename generation.json`;
  const id = /"snapshot_id":"([0-9a-f]{64})"/.exec(await restic(backup))?.[1] ?? "";
  const { code, stderr } = await foundation(["backup", "now", "--state", files.state]);
  expect([code, stderr]).toEqual([1, expect.stringContaining("offsite: VM ffffffff has taken the repository over")]);
  await restic(`forget ${id}`);
  expect((await foundation(["backup", "now", "--state", files.state])).code).toBe(0);
});
