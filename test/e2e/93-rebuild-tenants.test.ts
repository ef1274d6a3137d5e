import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loginToVault } from "../../cli/vault-client.ts";
import type { VerifyContext } from "../../cli/verify/context.ts";
import type { AppRoleCredentials } from "../../keys/derive.ts";
import { committed } from "./backup-job.ts";
import { attemptsOf, type Attempts, type Issued } from "./consumer-access.ts";
import { openVerifyContext } from "./context.ts";
import { issueToken } from "./load/issues.ts";
import { engine, files, loseVm, onVm, readConfig, sandbox, writeConfig } from "./rig.ts";
import { logs, oneStep, said, upWithRunner, Workflows } from "./workflows.ts";

// A foundation that runs jobs and has a consumer is lost but for the offsite, the repository and the passphrase. What a
// deployment brings back of it is used with what people and machines had before: nobody sets up anything again.

const id = `rebuild-${randomBytes(3).toString("hex")}`;
const CONSUMER = { name: "gamma", repositories: ["app"], buckets: [{ name: "gamma-data" }], database: true };
const own = randomBytes(12).toString("hex");
const directory = mkdtempSync(join(tmpdir(), "foundation-rebuild-e2e-"));
/** It has its repository's secret, which the forge keeps encrypted. */
const WORKFLOW = oneStep(
  'echo "SAYS $(printf %s "$OWN" | sha256sum | cut -c1-16)"',
  '    env: { OWN: "${{ secrets.OWN }}" }\n',
);
const saying = [createHash("sha256").update(own).digest("hex").slice(0, 16)];

let context: VerifyContext;
/** an access token of a person's */
let token: string;
let repository: string;
/** a commit whose run was green before */
let commit: string;
/** what the consumer had before */
let issued: Issued;

beforeAll(async () => {
  await upWithRunner({ "foundation:consumers": [CONSUMER] });
  const opened = await openVerifyContext();
  ({ context } = opened);
  token = await issueToken(context, id);
  const forge = new Workflows(context, token);
  repository = await forge.create(id, { OWN: own });
  commit = await forge.push(repository, { ".forgejo/workflows/test.yml": WORKFLOW });
  const run = await forge.ended(repository, commit, performance.now());
  expect([run.conclusion, said(run)], logs(run)).toEqual(["success", saying]);
  issued = await issuedTo(opened.stack.secrets.vaultAppRole(`consumer-${CONSUMER.name}`));
  expect(await reach(issued)).toEqual(EVERYTHING);
  await committed();
  await loseVm();
  const { code, stderr } = await sandbox(["up", "--no-verify"]);
  expect(code, stderr).toBe(0);
  ({ context } = await openVerifyContext());
});

afterAll(async () => {
  const { "foundation:consumers": _, ...config } = readConfig();
  writeConfig(files.config, config);
  await engine(["up"]);
  rmSync(directory, { recursive: true, force: true });
});

/** What Vault has for the consumer, read by itself. */
async function issuedTo(login: AppRoleCredentials): Promise<Issued> {
  const session = await loginToVault(context.http, `https://${context.sites.vault}`, login);
  const read = (kind: string) => session.read(`consumers/${CONSUMER.name}/${kind}`);
  const [forge, vault] = [await read("forge"), await read("vault")];
  const [s3, database] = [await read("s3"), await read("database")];
  await session.end();
  return { forge, vault, s3, database, webhook: {} };
}

const ATTEMPTS: Readonly<Record<string, (client: Attempts) => Promise<boolean>>> = {
  "push to its repository": (client) => client.push("gamma/app"),
  "image in its registry": (client) => client.pushImage("gamma"),
  "object in its bucket": (client) => client.putObject("gamma-data"),
  "its database": (client) => client.query("gamma"),
};
const EVERYTHING = Object.keys(ATTEMPTS);

/** What of its own a consumer gets with these credentials. */
async function reach(credentials: Issued): Promise<string[]> {
  const client = attemptsOf(credentials, { directory, ca: context.ca ?? "", http: context.http });
  const granted: string[] = [];
  for (const [what, attempt] of Object.entries(ATTEMPTS)) if (await attempt(client)) granted.push(what);
  return granted;
}

describe("after a rebuild", () => {
  test("the token of before pushes, and the workflow is green: the runner is there, and its secret", async () => {
    const forge = new Workflows(context, token);
    const run = await forge.run(repository, WORKFLOW);
    console.log(`first green run after a rebuild: ${run.seconds.toFixed(1)} s`);
    expect([run.conclusion, said(run)], logs(run)).toEqual(["success", saying]);
  });

  test("the run of before can be read", async () => {
    const run = await new Workflows(context, token).ended(repository, commit, performance.now(), 30);
    expect([run.conclusion, said(run)]).toEqual(["success", saying]);
  });

  test("the consumer has its data, and with the AppRole of before everything that it had", async () => {
    const table = "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'";
    expect(await onVm(`docker exec postgres psql -U postgres -d gamma -Atc "${table}"`)).toBe("1\n");
    const { roleId = "", secretId = "" } = issued.vault;
    expect(await reach(await issuedTo({ roleId, secretId }))).toEqual(EVERYTHING);
  });

  test("the consumer's token at the forge is good; keys of S3 and the database were issued anew, in Vault", async () => {
    expect(await reach(issued)).toEqual(["push to its repository", "image in its registry"]);
  });

  test("there is nothing left to do", async () => {
    const { code, stdout, stderr } = await engine(["up", "--json"]);
    expect(code, stderr).toBe(0);
    expect((JSON.parse(stdout) as { steps: unknown[] }).steps).toEqual([]);
  });
});
