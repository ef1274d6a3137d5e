import { createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { VerifyContext } from "../../cli/verify/context.ts";
import { loginToVault } from "../../cli/vault-client.ts";
import { committed } from "./backup-job.ts";
import { attemptsOf, type Attempts, type Issued } from "./consumer-access.ts";
import { openVerifyContext } from "./context.ts";
import { engine, files, foundation, onVm, readConfig, until, writeConfig } from "./rig.ts";

const HOOKS = "hooks.consumers.test";
const before = readFileSync(files.config, "utf8");
const directory = mkdtempSync(join(tmpdir(), "consumers-"));
const received: { headers: IncomingHttpHeaders; body: string }[] = [];

let receiver: Server;
let context: VerifyContext;
let consumers: Record<string, unknown>[];

beforeAll(async () => {
  receiver = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      received.push({ headers: request.headers, body });
      response.end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, resolve));
  const url = `http://${HOOKS}:${String((receiver.address() as AddressInfo).port)}/hook`;
  consumers = [
    {
      name: "alpha",
      organisation: "alpha-team",
      repositories: ["app"],
      buckets: [{ name: "alpha-data", quota: "1G" }],
      database: true,
      secrets: ["consumers/alpha/app/*"],
      webhooks: [{ url, events: ["push"], repository: "app" }],
    },
    {
      name: "beta",
      repositories: ["app"],
      buckets: [{ name: "beta-data" }],
      database: true,
      secrets: ["consumers/beta/app"],
    },
  ];
  await deploy(consumers);
  ({ context } = await openVerifyContext());
});

afterAll(async () => {
  receiver.close();
  writeFileSync(files.config, before);
  await engine(["up"]);
  rmSync(directory, { recursive: true, force: true });
});

async function deploy(declared: readonly unknown[] | undefined): Promise<string[]> {
  const { "foundation:consumers": _, ...config } = readConfig();
  writeConfig(files.config, declared === undefined ? config : { ...config, "foundation:consumers": declared });
  const { code, stdout, stderr } = await engine(["up", "--json"]);
  expect(code, stderr).toBe(0);
  const { steps } = JSON.parse(stdout) as { steps: { operation: string; name: string }[] };
  return steps.map(({ operation, name }) => `${operation} ${name}`);
}

/** What Vault has for a consumer, read as the operator. */
async function issuedTo(name: string): Promise<Issued> {
  const { stack } = await openVerifyContext();
  const session = await loginToVault(
    context.http,
    `https://${context.sites.vault}`,
    stack.secrets.vaultAppRole("operator"),
  );
  const kinds =
    name === "alpha" ? ["forge", "vault", "s3", "database", "webhook"] : ["forge", "vault", "s3", "database"];
  const values = await Promise.all(kinds.map(async (kind) => [kind, await session.read(`consumers/${name}/${kind}`)]));
  await session.end();
  return { webhook: {}, ...(Object.fromEntries(values) as Omit<Issued, "webhook">) };
}

const clientOf = async (name: string): Promise<Attempts> =>
  attemptsOf(await issuedTo(name), { directory, ca: context.ca ?? "", http: context.http });

/** Everything that there is, by who may have it. */
const RESOURCES: [owner: string, what: string, attempt: (client: Attempts) => Promise<boolean>][] = [
  ...[
    { name: "alpha", organisation: "alpha-team", secret: "consumers/alpha/app/password" },
    { name: "beta", organisation: "beta", secret: "consumers/beta/app" },
  ].flatMap(({ name, organisation, secret }): typeof RESOURCES => [
    [name, `push to ${organisation}/app`, (client) => client.push(`${organisation}/app`)],
    [name, `clone of ${organisation}/app`, (client) => client.clone(`${organisation}/app`)],
    [name, `npm package of ${organisation}`, (client) => client.publish(organisation)],
    [name, `image of ${organisation}`, (client) => client.pushImage(organisation)],
    [name, `object in ${name}-data`, (client) => client.putObject(`${name}-data`)],
    [name, `listing of ${name}-data`, (client) => client.list(`${name}-data`)],
    [name, `database ${name}`, (client) => client.query(name)],
    [name, `reading consumers/${name}/forge`, (client) => client.readSecret(`consumers/${name}/forge`)],
    [name, `writing ${secret}`, (client) => client.writeSecret(secret)],
    ["nobody", `writing consumers/${name}/forge`, (client) => client.writeSecret(`consumers/${name}/forge`)],
    ["nobody", `writing consumers/${name}/other`, (client) => client.writeSecret(`consumers/${name}/other`)],
  ]),
  ["nobody", "npm package of platform", (client) => client.publish("platform")],
  ["nobody", "image of platform", (client) => client.pushImage("platform")],
  ["nobody", "clone of the canary", (client) => client.clone("foundation-backup/canary")],
  ["nobody", "object in forgejo", (client) => client.putObject("forgejo")],
  ["nobody", "listing of forgejo", (client) => client.list("forgejo")],
  ...["forgejo", "backup", "postgres", "template1"].map((name): (typeof RESOURCES)[number] => [
    "nobody",
    `database ${name}`,
    (client) => client.query(name),
  ]),
  ["nobody", "reading forgejo/admin", (client) => client.readSecret("forgejo/admin")],
  ["nobody", "reading postgres/superuser", (client) => client.readSecret("postgres/superuser")],
];

/** What a client gets of everything that there is. */
async function reach(client: Attempts): Promise<string[]> {
  const granted: string[] = [];
  for (const [, what, attempt] of RESOURCES) if (await attempt(client)) granted.push(what);
  return granted;
}

const ownedBy = (name: string) => RESOURCES.filter(([owner]) => owner === name).map(([, what]) => what);

test("each consumer gets what it was granted and nothing else", async () => {
  for (const name of ["alpha", "beta"]) expect(await reach(await clientOf(name)), name).toEqual(ownedBy(name));
  console.log(`access matrix: ${String(2 * RESOURCES.length)} cells, 0 wrong`);
});

test("a second up changes nothing", async () => expect(await deploy(consumers)).toEqual([]));

test("a backup has their databases", async () => {
  const { commit } = await committed();
  expect(commit.postgres.databases.map(({ name }) => name).sort()).toEqual(["alpha", "backup", "beta", "forgejo"]);
});

test("the kit has what was issued where it is revealed, and nothing of it otherwise", async () => {
  const { forge, vault } = await issuedTo("alpha");
  const kit = async (...options: string[]) => {
    const { code, stdout, stderr } = await foundation(["consumer", "kit", "alpha", ...options]);
    expect(code, stderr).toBe(0);
    return [forge.token, vault.secretId].map((secret) => stdout.includes(secret ?? "none"));
  };
  expect(await kit("--reveal", "--force")).toEqual([true, true]);
  expect(await kit()).toEqual([false, false]);
});

test("a webhook calls once per push, signed", async () => {
  // A name that only the forge's container knows, until it is made anew.
  await onVm(
    `echo "$(ip route show default | awk '{ print $3 }') ${HOOKS}" >>"$(docker inspect --format '{{.HostsPath}}' forgejo)"`,
  );
  received.length = 0;
  const client = await clientOf("alpha");
  for (let push = 1; push <= 3; push += 1) {
    expect(await client.push("alpha-team/app")).toBe(true);
    await until(`webhook ${String(push)}`, 30, () => Promise.resolve(received.length >= push));
  }
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const { webhook } = await issuedTo("alpha");
  const sign = (body: string) =>
    createHmac("sha256", webhook.secret ?? "")
      .update(body)
      .digest("hex");
  expect(
    received.map(({ headers, body }) => [headers["x-gitea-event"], headers["x-gitea-signature"] === sign(body)]),
  ).toEqual(Array.from({ length: 3 }, () => ["push", true]));
});

test("rotation of one consumer takes its credentials and disturbs no other", async () => {
  const [old, other] = [await clientOf("alpha"), await clientOf("beta")];
  const [alpha, beta] = consumers;
  await deploy([{ ...alpha, rotation: 1 }, beta]);
  expect(await reach(old)).toEqual([]);
  expect(await reach(await clientOf("alpha"))).toEqual(ownedBy("alpha"));
  expect(await reach(other)).toEqual(ownedBy("beta"));
});

test("removal takes the access within one up and leaves what there is", async () => {
  const [old, other] = [await clientOf("alpha"), await clientOf("beta")];
  await deploy(consumers.slice(1));
  expect(await reach(old)).toEqual([]);
  expect(await reach(other)).toEqual(ownedBy("beta"));
  const tables = `docker exec postgres psql -U postgres -d alpha -Atc "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'"`;
  expect((await onVm(tables)).trim()).toBe("1");
  const { http, forge, sites } = context;
  const authorization = `Basic ${Buffer.from(`${forge.username}:${forge.password}`).toString("base64")}`;
  const at = (path: string) => http("GET", `https://${sites.git}/api/v1${path}`, { headers: { authorization } });
  expect((await at("/repos/alpha-team/app")).status).toBe(200);
  expect((await at("/repos/alpha-team/app/hooks")).body.toString().trim()).toBe("[]");
  expect((await at("/users/alpha-robot")).status).toBe(404);
});

test("a consumer that is declared again has what it had", async () => {
  await deploy(consumers);
  const client = await clientOf("alpha");
  expect(await reach(client)).toEqual(ownedBy("alpha"));
});

test("with the last declaration the last access goes", async () => {
  const clients = [await clientOf("alpha"), await clientOf("beta")];
  await deploy(undefined);
  for (const client of clients) expect(await reach(client)).toEqual([]);
});
