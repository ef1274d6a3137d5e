import { randomInt } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Commit } from "../../backup/commit.ts";
import { createAccompany, createPipe, createRun } from "../../cli/exec.ts";
import { openStack, type OpenStack } from "../../cli/stack.ts";
import { collectContext, type VerifyContext } from "../../cli/verify/context.ts";
import { stackEnvironment } from "../../sandbox/deployment.ts";
import { containerOf, volumeOf } from "../../sandbox/vm/machine.ts";
import { type Load, lookAt, putLoad, type Seen } from "./load.ts";
import { engine, files, onVm, paths, readConfig, run, sandbox, writeConfig } from "./rig.ts";

// The whole foundation lost but for the offsite, the repository and the passphrase, and had back by a deployment.

const KILLS = 4;
const STEPS_BETWEEN_KILLS = 25;
let stack: OpenStack;
let load: Load;
let before: Seen;
/** the newest backup of before */
let commit: Commit;
let secretRows: string;

async function openContext(): Promise<VerifyContext> {
  const environment = { ...process.env, ...stackEnvironment({ paths, environment: process.env }) };
  const interrupted = new AbortController().signal;
  const shell = {
    environment,
    interrupted,
    projectDirectory: paths.project,
    isInteractive: false,
    columns: 120,
    run: createRun(environment, interrupted),
    attach: () => Promise.resolve(0),
    accompany: createAccompany(environment),
    pipe: createPipe(environment, interrupted),
    runScript: () => Promise.resolve(0),
    print: () => undefined,
    notice: () => undefined,
    exitWith: () => undefined,
  };
  stack = await openStack(shell, { stack: "sandbox", configFile: files.config });
  return await collectContext(shell, stack, join(paths.sandbox, "ca.crt"));
}

/** The job's own program in its container. */
const job = (args: string): Promise<string> => onVm(`docker exec backup node /opt/backup/job.mjs ${args}`);

async function newestCommit(): Promise<Commit> {
  const [newest] = JSON.parse(await job("list --json")) as { commit: Commit }[];
  if (newest === undefined) throw new Error("no backup");
  return newest.commit;
}

/** Rows that the forge has encrypted under its SECRET_KEY, and that key. */
async function encryptedRows(): Promise<string> {
  const rows = await onVm(
    `docker exec postgres psql -U postgres -d forgejo -Atc 'SELECT name, data FROM secret ORDER BY id' | sha256sum`,
  );
  return rows + (await onVm("docker exec forgejo grep ^SECRET_KEY /etc/foundation/app.ini | sha256sum"));
}

beforeAll(async () => {
  const { code, stderr } = await sandbox(["up", "--no-verify"]);
  expect(code, stderr).toBe(0);
  const context = await openContext();
  const { vaultAppRole } = stack.secrets;
  load = await putLoad(context, { pulumi: vaultAppRole("pulumi"), operator: vaultAppRole("operator") });
  before = await lookAt(context, load);
  secretRows = await encryptedRows();
  await job("run");
  commit = await newestCommit();
});

/** The VM and everything that the operator's machine knows of it; the key files, the offsite and the configuration stay. */
async function loseEverything(): Promise<void> {
  await run(["docker", "rm", "--force", "--volumes", containerOf("prod")]);
  await run(["docker", "volume", "rm", volumeOf("prod")]);
  rmSync(files.state, { force: true });
}

async function deploySeeded(seed: string): Promise<{ code: number | null; stderr: string }> {
  const config = readConfig();
  writeConfig(files.config, { ...config, "foundation:seed": seed });
  const result = await sandbox(["up", "--no-verify"]);
  writeConfig(files.config, config);
  return result;
}

describe("a VM that is gone", () => {
  test("is not replaced by a wrong backup", async () => {
    await loseEverything();
    const unknown = await deploySeeded("0123abcd");
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining("backup: no set 0123abcd")]);
    const early = await deploySeeded("2020-01-31T12:00:00Z");
    expect([early.code, early.stderr]).toEqual([
      1,
      expect.stringMatching(/backup: none is as old as 2020-01-31T12:00:00\.000Z\nhint: the first one is of 20/),
    ]);
    // Neither has left anything behind that would pass for data.
    expect(await onVm("docker ps --all --format '{{.Names}}' | sort | xargs")).toBe("postgres rustfs vault\n");
  });

  test("comes back with everything, however often the rebuild is killed", async () => {
    const killedAfter: string[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      let steps = randomInt(1, STEPS_BETWEEN_KILLS);
      let last = "";
      const { code } = await sandbox(["up", "--no-verify"], {
        killOn: (line) => {
          if (!/engine: [+~±-] .*(…|created|updated|replaced|deleted) /.test(line)) return false;
          last = line;
          return --steps === 0;
        },
      });
      killedAfter.push(last);
      if (code === 0) break;
    }
    const { code, stderr } = await sandbox(["up"]);
    expect(code, `killed after:\n${killedAfter.join("\n")}\n\n${stderr}`).toBe(0);
    const journal = JSON.parse(await onVm("cat /var/lib/foundation/seed/seed.json")) as Record<string, unknown>;
    console.log(`killed after: ${killedAfter.join(" | ")}; restored: ${JSON.stringify(journal["seconds"])}`);
    expect(journal).toMatchObject({ phase: "done", mode: "restored", request: "auto", snapshot: commit.snapshot });
    expect(await lookAt(await openContext(), load)).toEqual(before);
    expect(await encryptedRows()).toBe(secretRows);
  });

  test("then needs nothing more", async () => {
    const { code, stdout, stderr } = await engine(["up", "--json"]);
    expect(code, stderr).toBe(0);
    const { changes } = JSON.parse(stdout) as { changes: Record<string, number> };
    expect(Object.entries(changes).filter(([operation, count]) => operation !== "same" && count > 0)).toEqual([]);
    expect(await onVm("ls /var/lib/foundation/seed")).not.toContain("vault.snap");
    // It backs up as the one before it did, and tells itself from it.
    await job("run");
    const newest = await newestCommit();
    expect(newest.snapshot).not.toBe(commit.snapshot);
    expect(newest.vmId).not.toBe(commit.vmId);
  });
});

test("a VM with data refuses a certain backup", async () => {
  const owner = stack.secrets.ownerId;
  const image = (await onVm("docker inspect -f '{{.Config.Image}}' backup")).trim();
  const said = await onVm(
    `/usr/local/lib/foundation/seed ${owner} ${image} ${commit.snapshot.slice(0, 12)} 2>&1; echo "exit $?"`,
  );
  expect(said).toContain(
    `error: seed: ${commit.snapshot.slice(0, 12)} is wanted, but there is data: volume forgejo-data`,
  );
  expect(said).toContain("exit 8");
});
