import { randomInt, X509Certificate } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import type { Commit } from "../../backup/commit.ts";
import type { Status } from "../../cli/repository/format.ts";
import type { OpenStack } from "../../cli/stack.ts";
import { committed, job } from "./backup-job.ts";
import { openVerifyContext } from "./context.ts";
import { killAtSteps, killInSeed } from "./kills.ts";
import { compare, type Load, lookAt, putLoad } from "./load/load.ts";
import { isWholeClone, repositoryStatus } from "./own-repository.ts";
import { type Ended, engine, files, loseVm, onVm, readConfig, type RunOptions, sandbox, writeConfig } from "./rig.ts";

// The whole foundation lost but for the offsite, the repository and the passphrase, and had back by a deployment.

const KILLS = 10;
/** of them, while the VM is made ready */
const EARLY_KILLS = 3;
/** of them, while the stores are filled: after so many lines that it has said, or one more */
const SEED_KILLS = [1, 3, 5, 7];
const LINES_BETWEEN_KILLS = 24;
/** what was said last before each kill */
const killedAfter: string[] = [];
let stack: OpenStack;
let load: Load;
/** PEM of the sites' CA, as clients have it since before */
let trusted: string;
/** the newest backup of before */
let commit: Commit;
let secretRows: string;
/** the foundation's own repository, where the tests run in a clone of it */
let repository: Status | undefined;

/** Rows that the forge has encrypted under its SECRET_KEY, and that key. */
async function encryptedRows(): Promise<string> {
  const rows = await onVm(
    `docker exec postgres psql -U postgres -d forgejo -Atc 'SELECT name, data FROM secret ORDER BY id' | sha256sum`,
  );
  return rows + (await onVm("docker exec forgejo grep ^SECRET_KEY /etc/foundation/app.ini | sha256sum"));
}

/** What makes a CA the same: a certificate of it that is made anew has other dates and another serial number. */
function identity(pem: string): string {
  const { publicKey, subject } = new X509Certificate(pem);
  return `${subject}\n${publicKey.export({ type: "spki", format: "pem" }).toString()}`;
}

beforeAll(async () => {
  const { code, stderr } = await sandbox(["up", "--no-verify"]);
  expect(code, stderr).toBe(0);
  const opened = await openVerifyContext();
  stack = opened.stack;
  trusted = opened.context.ca ?? "";
  const { vaultAppRole } = stack.secrets;
  load = await putLoad(opened.context, { pulumi: vaultAppRole("pulumi"), operator: vaultAppRole("operator") });
  secretRows = await encryptedRows();
  if (await isWholeClone()) repository = await repositoryStatus();
  ({ commit } = await committed());
});

async function deploySeeded(seed: string, options: RunOptions = {}): Promise<Ended> {
  const config = readConfig();
  writeConfig(files.config, { ...config, "foundation:seed": seed });
  const result = await sandbox(["up", "--no-verify"], options);
  writeConfig(files.config, config);
  return result;
}

describe("a VM that is gone", () => {
  test("is not replaced by a wrong backup", async () => {
    await loseVm();
    const deploy = (options: RunOptions) => deploySeeded("0123abcd", options);
    killedAfter.push(...(await killAtSteps(deploy, EARLY_KILLS, LINES_BETWEEN_KILLS)));
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
    const deploy = (options: RunOptions) => engine(["up"], files, options);
    for (const lines of SEED_KILLS)
      killedAfter.push(await killInSeed(deploy, lines + randomInt(2), lines === SEED_KILLS.at(-1)));
    killedAfter.push(...(await killAtSteps(deploy, KILLS - killedAfter.length, LINES_BETWEEN_KILLS)));
    const { code, stderr } = await sandbox(["up"]);
    expect(code, `killed after:\n${killedAfter.join("\n")}\n\n${stderr}`).toBe(0);
    const journal = JSON.parse(await onVm("cat /var/lib/foundation/seed/seed.json")) as Record<string, unknown>;
    console.log(`killed after:\n${killedAfter.join("\n")}\nrestored: ${JSON.stringify(journal["seconds"])}`);
    expect(journal).toMatchObject({ phase: "done", mode: "restored", request: "auto", snapshot: commit.snapshot });
    const { context } = await openVerifyContext();
    expect(identity(context.ca ?? "")).toBe(identity(trusted));
    const { compared, kinds, mismatched } = compare(load.put, await lookAt({ ...context, ca: trusted }, load));
    console.log(`${String(compared)} compared, ${String(mismatched.length)} mismatched: ${JSON.stringify(kinds)}`);
    expect([killedAfter.length, mismatched]).toEqual([KILLS, []]);
    expect(await encryptedRows()).toBe(secretRows);
  });

  test("has its own repository as the backup has it: nothing was left to push", async () => {
    if (repository === undefined) return;
    const { main, deployed, toDo } = await repositoryStatus();
    expect({ main, deployed, toDo }).toEqual({ main: repository.main, deployed: repository.deployed, toDo: [] });
  });

  test("then needs nothing more", async () => {
    const { code, stdout, stderr } = await engine(["up", "--json"]);
    expect(code, stderr).toBe(0);
    const { changes } = JSON.parse(stdout) as { changes: Record<string, number> };
    expect(Object.entries(changes).filter(([operation, count]) => operation !== "same" && count > 0)).toEqual([]);
    expect(await onVm("ls /var/lib/foundation/seed")).not.toContain("vault.snap");
    // It backs up as the one before it did, and tells itself from it.
    const { commit: next } = await committed();
    expect(next.snapshot).not.toBe(commit.snapshot);
    expect(next.vmId).not.toBe(commit.vmId);
    // The run before, which no deployment waits for, has found every store as the backup has it.
    const { rebuilt } = JSON.parse((await job("status", "--json")).stdout) as { rebuilt: unknown };
    expect(rebuilt).toMatchObject({
      snapshot: commit.snapshot,
      stores: ["row", "object", "git tag", "Vault key"],
      problems: [],
    });
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
