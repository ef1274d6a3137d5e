import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Commit } from "../../backup/commit.ts";
import type { DrillReport } from "../../backup/drill-record.ts";
import { stackEnvironment } from "../../sandbox/deployment.ts";
import { prepareMachines } from "../../sandbox/images.ts";
import { containerOf, volumeOf } from "../../sandbox/vm/machine.ts";
import { ensureVms } from "../../sandbox/vms.ts";
import { sshArguments, type SshTarget } from "../../ssh-target.ts";
import { committed, onOffsite } from "./backup-job.ts";
import {
  createTestRig,
  type Ended,
  files,
  foundation,
  must,
  onVm,
  paths,
  readConfig,
  run,
  sandbox,
  until,
} from "./rig.ts";

// The whole foundation brought back on a third VM while the first one serves, and taken away again.

const BASE = "/var/lib/foundation-offsite";
const NOISE = "/var/lib/gitea/noise";
let directory: string;
let target: SshTarget;
let taken: Commit;
let production: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "foundation-scratch-"));
  const { code, stderr } = await sandbox(["up", "--no-verify"]);
  expect(code, stderr).toBe(0);
  const rig = createTestRig();
  target = (await ensureVms(rig, ["dr"], await prepareMachines(rig))).get("dr") as SshTarget;
  ({ commit: taken } = await committed());
  production = await lookAtProduction();
});
afterAll(async () => {
  await run(["docker", "rm", "--force", "--volumes", containerOf("dr")]);
  await run(["docker", "volume", "rm", volumeOf("dr")]);
  rmSync(directory, { recursive: true, force: true });
});

/** Everything that a drill could have touched: what runs on both hosts, who may write, the files on this machine. */
async function lookAtProduction(): Promise<string> {
  const containers =
    "docker ps --all --quiet --no-trunc | sort | xargs docker inspect -f '{{.Id}} {{.State.StartedAt}}'";
  const seen = [await onVm(containers), await onOffsite(containers)];
  seen.push(await onOffsite(`cat ${BASE}/generations.jsonl ${BASE}/tls/htpasswd; ls ${BASE}/data/*/keys`));
  for (const name of ["sandbox.key.json", "sandbox.shares.json"])
    seen.push(readFileSync(join(files.keys, name), "utf8"));
  return [...seen, readFileSync(files.config, "utf8"), readFileSync(files.state, "utf8")].join("\n");
}

const onScratch = (command: string): Promise<string> => must(["ssh", ...sshArguments(target), command]);

/** What is there of a foundation; nothing, but for images. The rig's VMs come with a unit that leads to its registry. */
const leftOnScratch = () =>
  onScratch(`if command -v docker >/dev/null; then docker ps -aq; docker volume ls -q; docker network ls -q -f type=custom; fi
    find /etc /run /usr/local /var/lib -xdev -name '*foundation*' -not -name '*foundation-registry*' -not -path '/var/lib/docker/*' 2>/dev/null
    ls /etc/docker/daemon.json 2>/dev/null; iptables -S 2>/dev/null | grep FOUNDATION; true`);

const scratch = (): string[] => {
  const to = `${target.user}@${target.address}:${String(target.port)}`;
  return ["--from-scratch", "--to", to, "--host-key", target.hostKey, "--embedded"];
};
const drill = (...args: string[]): Promise<Ended> => foundation(["drill", ...scratch(), ...args]);
const reportOf = ({ code, stdout, stderr }: Ended): DrillReport => {
  if (stdout === "") throw new Error(`exit ${String(code)}: ${stderr}`);
  return JSON.parse(stdout) as DrillReport;
};
const say = ({ phases, seconds }: DrillReport) => {
  const lines = phases.map((phase) => `${phase.name} ${String(phase.startSecond)}+${String(phase.seconds)} s`);
  console.log(`${String(seconds)} s: ${lines.join(", ")}`);
};

describe("a drill from scratch", () => {
  test("brings everything back on a bare host, finds it to be the backup, and leaves no trace anywhere", async () => {
    const ended = await drill("--json", "--report", directory);
    const report = reportOf(ended);
    say(report);
    expect(report.phases.filter(({ outcome }) => outcome !== "passed")).toEqual([]);
    expect([ended.code, report.outcome, report.backup?.run]).toEqual([0, "passed", taken.run]);
    const names = report.phases.map(({ name }) => name);
    const [first, rest] = [["preparing", "host", "images", "stores", "restore: stage"], names.slice(-15)];
    expect(names.slice(0, 5)).toEqual(first);
    expect(rest).toEqual([
      ...["Vault", "Forgejo", "Caddy", "check: marker", "check: git"],
      ...taken.postgres.databases.map(({ name }) => `check: database ${name}`),
      ...["check: bucket forgejo", "check: package blobs", "check: LFS objects", "check: attachments"],
      ...["check: Vault", "check: canary", "check: git fsck", "cleaning up"],
    ]);
    const canary = report.phases.find(({ name }) => name === "check: canary");
    expect(canary?.detail).toBe(`run ${taken.run} in: row, object, git tag, Vault key`);
    // The phases are those of one clock: none before the one that it waits for, none after the end.
    const start = (name: string) => report.phases.find((phase) => phase.name === name)?.startSecond ?? NaN;
    expect(start("host")).toBeLessThan(start("images"));
    expect(start("stores")).toBeLessThan(start("restore: stage"));
    expect(start("restore: stage")).toBeLessThan(start("Vault"));
    expect(start("Forgejo")).toBeLessThan(start("Caddy"));
    expect(start("Caddy")).toBeLessThan(report.seconds);
    expect(JSON.parse(readFileSync(join(directory, "drill.json"), "utf8"))).toEqual(report);
    expect(readFileSync(join(directory, "drill.html"), "utf8")).toContain("passed: this backup can be restored");
    expect(await leftOnScratch()).toBe("");
    expect(await lookAtProduction()).toBe(production);
  });

  test("of a backup with a damaged pack fails, and says so", async () => {
    await onVm(`docker exec forgejo sh -c 'head -c 3000000 /dev/urandom >${NOISE}'`);
    const began = (await onOffsite("date +%s")).trim();
    await committed();
    await onVm(`docker exec forgejo rm ${NOISE}`);
    const packs = `find ${BASE}/data/*/data -type f -newermt @${began} -printf '%s %p\\n' | sort -n | tail -n 1 | cut -d' ' -f2`;
    const pack = (await onOffsite(packs)).trim();
    await onOffsite(
      `cp -p ${pack} ${BASE}/pack; printf '\\125\\252\\125' | dd of=${pack} bs=1 seek=1000000 conv=notrunc`,
    );
    try {
      const ended = await drill("--json");
      const report = reportOf(ended);
      say(report);
      expect([ended.code, report.outcome]).toEqual([1, "failed"]);
      expect(
        report.phases.filter(({ outcome }) => outcome === "failed").map(({ name, detail }) => [name, detail]),
      ).toEqual([["restore", expect.stringMatching(/^restic: /)]]);
    } finally {
      await onOffsite(`cat ${BASE}/pack >${pack}; rm ${BASE}/pack`);
    }
    expect(await leftOnScratch()).toBe("");
    expect(await lookAtProduction()).toBe(production);
  });

  test("that is stopped in the middle of it gives the host back all the same", async () => {
    const argv = ["cli/main.ts", "drill", ...scratch(), "--stack", "sandbox", "--config-file", files.config];
    const env = { ...process.env, ...stackEnvironment({ paths, environment: process.env }) };
    const child = spawn(process.execPath, argv, { cwd: paths.project, env, stdio: "ignore" });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const isThere = async () => (await onScratch("docker ps --format '{{.Names}}'")).includes("postgres");
    await until("a store runs there", 120, isThere);
    child.kill("SIGINT");
    expect(await ended).toBe(130);
    expect(await leftOnScratch()).toBe("");
    expect(await lookAtProduction()).toBe(production);
  });

  test("can leave there what it has brought back: it reaches nobody, and nobody reaches it", async () => {
    const { code, stdout, stderr } = await drill("--keep");
    expect(code, stdout + stderr).toBe(0);
    expect(stderr).toContain(
      `drill: kept on ${target.address}; it goes with: npx foundation drill --from-scratch --remove`,
    );
    const { address } = readConfig()["foundation:offsite"] as SshTarget;
    const reaches = (container: string) =>
      `docker exec ${container} curl -sko /dev/null --max-time 5 https://${address}:8000/ || echo "${container} $?"`;
    expect(
      await onScratch(`${reaches("forgejo")}; ${reaches("caddy")}; docker port forgejo; docker port caddy`),
    ).toMatch(/^forgejo \d+\ncaddy \d+$/);
    expect(await onScratch("docker ps --format '{{.Names}}' | sort | xargs")).toBe(
      "caddy forgejo postgres rustfs vault",
    );
    expect(await drill("--remove")).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(await leftOnScratch()).toBe("");
    expect(await lookAtProduction()).toBe(production);
    // The real one goes on as if nothing had been.
    await committed();
  });
});
