import { execFile } from "node:child_process";
import { createHmac, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import type { Agent } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createHttp } from "../../cli/http.ts";
import { loginToVault } from "../../cli/vault-client.ts";
import { ENDPOINT, ofType, POLICY, type Run } from "../../review/policy/rule.ts";
import { ensure } from "../../unseal-helper/ensure.ts";
import { ShareStore } from "../../unseal-helper/share-store.ts";
import { VaultClient } from "../../unseal-helper/vault-client.ts";
import { CONSUMERS, createFixture, type Fixture } from "../program/fixture.ts";
import { LocalVault, NO_SEED, vaultArchive } from "./local-vault.ts";

// The login of jobs on a real Vault: the helper enables it, the program's own graph is written into it, and id tokens
// are made as Forgejo makes them (services/actions/auth.go, routers/api/actions/id_token.go), with the key that it is
// given.

const archive = vaultArchive();
const PORT = 18320;
const ACTION = join(import.meta.dirname, "../../actions/vault-secrets/index.js");
const target = { address: "127.0.0.1", user: "root", port: 22, hostKey: "ssh-ed25519 AAAA" };
type Claims = Readonly<Record<string, unknown>>;

describe.skipIf(archive === undefined)("jobs at a real Vault", () => {
  let local: LocalVault;
  let agent: Agent;
  let fixture: Fixture;
  let graph: Run;
  let vault: VaultClient;
  let send: ReturnType<LocalVault["effects"]>["requestVault"];
  /** of the Pulumi program */
  let program: string;
  let cells = 0;

  beforeAll(async () => {
    local = new LocalVault(archive ?? "", PORT);
    agent = local.agent();
    const shareFile = join(local.directory, "jobs.shares.json");
    local.start();
    fixture = await createFixture();
    graph = await fixture.run("repreview", CONSUMERS);
    const effects = local.effects(shareFile, agent);
    send = (request) => effects.requestVault(request);
    vault = new VaultClient(send);
    const store = new ShareStore(shareFile, "jobs", Buffer.alloc(32, 12), effects);
    const credentials = pulumi();
    const [, jobLogin] = / --job-login (\S+)/.exec(String(ensureCommand(graph))) ?? [];
    const args = { target, credentials, readers: {}, jobLogin, seed: NO_SEED, newEpoch: false };
    await ensure({ effects, store, vault }, args);
    program = (await vault.logIn(credentials.roleId, credentials.secretId)) ?? "";
    await deploy();
    for (const [path, password] of Object.entries(SECRETS))
      await vault.write(program, `foundation/data/${path}`, { data: { password } });
  }, 120_000);
  afterAll(async () => {
    console.log(`access matrix of jobs: ${String(cells)} cells, 0 wrong`);
    agent.destroy();
    await local.remove();
    fixture.remove();
  });

  const pulumi = () => fixture.derived.vaultAppRole("pulumi");
  const ensureCommand = ({ resources }: Run) => resources.find(({ name }) => name === "vault-ensure")?.inputs.create;

  /** Policies and roles, as the program has them. */
  async function deploy(): Promise<void> {
    for (const { inputs } of ofType(graph, POLICY))
      await vault.write(program, `sys/policies/acl/${String(inputs.name)}`, { policy: inputs.policy });
    for (const { inputs } of ofType(graph, ENDPOINT))
      await vault.write(program, String(inputs.path), JSON.parse(String(inputs.dataJson)) as object);
  }

  const SECRETS = {
    "consumers/cluster/app/login": "of cluster",
    "consumers/cluster/vault": "of the cluster itself",
    "consumers/ci-team/app": "of ci-team",
    "consumers/ci-team/vault": "of ci-team itself",
    "ci/deploy": "of the foundation's jobs",
    "forgejo/admin": "of nobody's jobs",
  };

  /** What a role's jobs are like, and what they read. */
  const TRUSTED: Readonly<Record<string, { claims: Claims; reads: keyof typeof SECRETS; policies: string[] }>> = {
    cluster: {
      claims: { repository: "clusters/fleet", repository_owner: "clusters" },
      reads: "consumers/cluster/app/login",
      policies: ["consumer-cluster--2", "default", "jobs-cluster"],
    },
    "ci-team": {
      claims: { repository: "ci-team/anything", repository_owner: "ci-team" },
      reads: "consumers/ci-team/app",
      policies: ["consumer-ci-team", "default", "jobs-ci-team"],
    },
    ci: {
      claims: { repository: "platform/foundation", repository_owner: "platform" },
      reads: "ci/deploy",
      policies: ["ci", "default"],
    },
  };

  /** Claims as Forgejo has them: all are strings, but for the times. */
  function claimsOf(changes: Claims = {}): Claims {
    const now = Math.floor(Date.now() / 1000);
    const { repository = "clusters/fleet", ref = "refs/heads/main" } = changes as Record<string, string>;
    return {
      ...{ actor: "somebody", base_ref: "", event_name: "push", head_ref: "", ref, ref_protected: "false" },
      ...{ ref_type: "branch", repository, repository_owner: "clusters", run_attempt: "1", run_id: "792" },
      ...{ run_number: "188", sha: "c2d72f548424103f01ee1dc02889c1e2bff816b0", workflow: "ci.yml" },
      workflow_ref: `${repository}/.forgejo/workflows/ci.yml@${ref}`,
      sub: `repo:${repository}:ref:${ref}`,
      aud: "https://vault.example.org",
      iss: "https://git.example.org/api/actions",
      ...{ exp: now + 300, iat: now, nbf: now },
      ...changes,
    };
  }

  /** A signed token. @param how another algorithm or key */
  function token(claims: Claims, how: { alg?: string; key?: string; secret?: string } = {}): string {
    const { alg = "EdDSA", key = fixture.derived.forgejo.idTokenKey.privateKeyPem, secret } = how;
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
    const signed = `${encode({ alg, kid: "x", typ: "JWT" })}.${encode(claims)}`;
    if (alg === "none") return `${signed}.`;
    const signature =
      secret === undefined
        ? sign(null, Buffer.from(signed), key)
        : createHmac("sha256", secret).update(signed).digest();
    return `${signed}.${signature.toString("base64url")}`;
  }

  interface Login {
    readonly status: number;
    readonly token: string;
    readonly auth: Readonly<Record<string, unknown>>;
    readonly errors: string;
  }
  async function logIn(role: string, jwt: string): Promise<Login> {
    cells += 1;
    const { status, body } = await send({ method: "POST", path: "auth/actions/login", body: { role, jwt } });
    const { auth = {}, errors = [] } = body as { auth?: Record<string, unknown>; errors?: string[] };
    return { status, token: String(auth["client_token"]), auth, errors: errors.join("; ") };
  }

  /** Whether a secret can be read. */
  async function reads(as: string, path: string): Promise<boolean> {
    cells += 1;
    return (await send({ method: "GET", path: `foundation/data/${path}`, token: as })).status === 200;
  }

  it.each(Object.entries(TRUSTED))("of %s read its own tree and no other, for ten minutes", async (role, trusted) => {
    const { status, token: as, auth } = await logIn(role, token(claimsOf(trusted.claims)));
    expect([status, auth["lease_duration"], auth["token_policies"]]).toEqual([200, 600, trusted.policies]);
    for (const path of Object.keys(SECRETS))
      expect([path, await reads(as, path)]).toEqual([path, path === trusted.reads]);
    const { data } = (await vault.read(as, "auth/token/lookup-self")) as { data: Record<string, unknown> };
    expect(data).toMatchObject({ explicit_max_ttl: 0, num_uses: 0, orphan: true, creation_ttl: 600 });
    expect(data["meta"]).toEqual({
      ...{ actor: "somebody", event_name: "push", ref: "refs/heads/main", role, run_id: "792" },
      sha: "c2d72f548424103f01ee1dc02889c1e2bff816b0",
    });
    await vault.revokeSelf(as);
    expect(await reads(as, trusted.reads)).toBe(false);
  });

  it("may not outlive ten minutes by renewing", async () => {
    const { token: as } = await logIn("cluster", token(claimsOf()));
    const { auth } = (await vault.write(as, "auth/token/renew-self", { increment: "2h" })) as {
      auth: { lease_duration: number };
    };
    expect(auth.lease_duration).toBeLessThanOrEqual(600);
  });

  it.each<[string, Claims]>([
    ["another of its repositories", { repository: "clusters/infra" }],
    ["a tag that was declared", { ref: "refs/tags/v1.2", ref_type: "tag" }],
    ["a schedule", { event_name: "schedule" }],
  ])("are let in: %s", async (_, changes) => {
    expect((await logIn("cluster", token(claimsOf(changes)))).status).toBe(200);
  });

  const claim = (name: string) => `claim "${name}" does not match any associated bound claim values`;
  it.each<[string, Claims, string]>([
    ["another repository of its organisation", { repository: "clusters/other" }, claim("repository")],
    ["one whose name begins like its own", { repository: "clusters/fleet2" }, claim("repository")],
    ["another organisation's of the same name", { repository: "others/fleet" }, claim("repository")],
    ["another branch", { ref: "refs/heads/topic" }, claim("ref")],
    ["a branch whose name begins like its own", { ref: "refs/heads/main2" }, claim("ref")],
    ["a branch called like a tag", { ref: "refs/heads/tags/v1" }, claim("ref")],
    ["another tag", { ref: "refs/tags/w1" }, claim("ref")],
    ["a pull request", { event_name: "pull_request", ref: "refs/pull/7/head" }, claim("(event_name|ref)")],
    ["a pull request on main", { event_name: "pull_request" }, claim("event_name")],
    // Forgejo signs for it whoever opened it, a fork included, and says that it is of main.
    ["a pull request's target", { event_name: "pull_request_target" }, claim("event_name")],
    // What started the calling workflow is not said.
    ["a workflow that another one called", { event_name: "workflow_call" }, claim("event_name")],
    ["a comment on an issue", { event_name: "issue_comment" }, claim("event_name")],
    ["an event that its consumer did not declare", { event_name: "workflow_dispatch" }, claim("event_name")],
    ["no repository", { repository: undefined }, 'claim "repository" (is missing|not found in token)'],
    ["no ref", { ref: undefined }, 'claim "ref" is missing'],
    ["a word for somebody else", { aud: "https://git.example.org/clusters" }, "aud"],
    ["a word for nobody", { aud: undefined }, "aud"],
    ["another forge's word", { iss: "https://git.example.com/api/actions" }, "iss"],
    ["a word of an hour ago", { exp: now(-3300), iat: now(-3600), nbf: now(-3600) }, "expired"],
    ["a word of tomorrow", { exp: now(90_000), iat: now(86_400), nbf: now(86_400) }, "(before|future|not yet|invalid)"],
  ])("are refused: %s", async (_, changes, reason) => {
    const login = await logIn("cluster", token(claimsOf(changes)));
    expect(login.status).toBe(400);
    expect(login.errors).toMatch(new RegExp(reason));
  });

  it("are refused by every role but their own", async () => {
    for (const [role, { claims }] of Object.entries(TRUSTED))
      for (const other of Object.keys(TRUSTED)) {
        const { status } = await logIn(other, token(claimsOf(claims)));
        expect([role, other, status]).toEqual([role, other, role === other ? 200 : 400]);
      }
    expect((await logIn("pulumi", token(claimsOf()))).errors).toBe('role "pulumi" could not be found');
    expect((await logIn("", token(claimsOf()))).errors).toBe("missing role");
  });

  it("are refused with what anybody else has signed", async () => {
    const { publicKeyPem } = fixture.derived.forgejo.idTokenKey;
    const other = generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }).toString();
    const spki = createPublicKey(publicKeyPem).export({ format: "pem", type: "spki" }).toString();
    const sshKey = fixture.derived.forgejo.sshHostKeys.ed25519.privateKeyPem;
    const [header, , signature] = token(claimsOf()).split(".");
    const [, claims] = token(claimsOf({ repository: "clusters/infra", actor: "root" })).split(".");
    const forged = [
      token(claimsOf(), { key: other }),
      token(claimsOf(), { key: sshKey }),
      // The public key taken for a shared secret.
      token(claimsOf(), { alg: "HS256", secret: publicKeyPem }),
      token(claimsOf(), { alg: "HS256", secret: spki }),
      token(claimsOf(), { alg: "none" }),
      [header, claims, signature].join("."),
      "",
    ];
    for (const jwt of forged) expect((await logIn("cluster", jwt)).status).toBe(400);
  });

  it("lose everything with their role, and keep it through a deployment that knows nothing of the one before", async () => {
    const { token: as } = await logIn("ci-team", token(claimsOf(TRUSTED["ci-team"]?.claims)));
    await send({ method: "DELETE", path: "auth/actions/role/ci-team", token: program });
    await send({ method: "DELETE", path: "sys/policies/acl/consumer-ci-team", token: program });
    expect(await reads(as, "consumers/ci-team/app")).toBe(false);
    expect((await logIn("ci-team", token(claimsOf(TRUSTED["ci-team"]?.claims)))).status).toBe(400);
    await deploy();
    expect((await logIn("ci-team", token(claimsOf(TRUSTED["ci-team"]?.claims)))).status).toBe(200);
  });

  it("have a secret id for as long as was said, where the forge does not vouch for them", async () => {
    const body = await issued("2s");
    const login = () => send({ method: "POST", path: "auth/approle/login", body });
    const { status, body: answer } = await login();
    const { client_token: as } = (answer as { auth: { client_token: string } }).auth;
    expect(status).toBe(200);
    for (const path of Object.keys(SECRETS))
      expect([path, await reads(as, path)]).toEqual([path, path === "consumers/ci-team/app"]);
    // Vault clears what has ended once a minute.
    const end = Date.now() + 70_000;
    while ((await login()).status === 200 && Date.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 1000));
    expect((await login()).status).toBe(400);
  });

  /** What `foundation consumer ci-login` asks Vault for. */
  async function issued(ttl: string) {
    const session = await loginToVault(createHttp(undefined), `http://127.0.0.1:${String(PORT)}`, pulumi());
    const secretId = await session.issueSecretId("jobs-ci-team", ttl);
    await session.end();
    return { role_id: fixture.derived.vaultAppRole("jobs-ci-team").roleId, secret_id: secretId };
  }

  describe("by the action vault-secrets", () => {
    const url = `http://127.0.0.1:${String(PORT)}`;

    /** A step as a runner has it, with a forge that vouches for a job of these claims. */
    async function step(role: string, claims: Claims, secrets: string) {
      const asked: string[] = [];
      const forge = createServer((request, response) => {
        asked.push(`${request.headers.authorization ?? ""} ${request.url ?? ""}`);
        // The roles are for the Vault of the configuration, which has another name here.
        response.end(JSON.stringify({ value: token(claimsOf(claims)) }));
      });
      await new Promise<void>((resolve) => forge.listen(0, "127.0.0.1", resolve));
      const [action, variables] = [join(local.directory, "index.js"), join(local.directory, "variables")];
      // In a repository of its own, as jobs have it.
      cpSync(ACTION, action);
      writeFileSync(variables, "");
      const env = {
        ...{ PATH: process.env.PATH, VAULT_ADDR: url, GITHUB_ENV: variables, INPUT_ROLE: role, INPUT_SECRETS: secrets },
        ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${String((forge.address() as AddressInfo).port)}/id?placeholder=true`,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: "ask",
      };
      const log = await new Promise<string>((resolve) =>
        execFile(process.execPath, [action], { env }, (_error, stdout, stderr) => resolve(`${stdout}${stderr}`)),
      );
      forge.close();
      return { asked, log, variables: readFileSync(variables, "utf8") };
    }

    const accessors = async () => {
      const { data } = await vault.call({ method: "GET", path: "auth/token/accessors?list=true", token: program });
      return (data as { keys: string[] }).keys.length;
    };

    it("read their secrets and leave no token", async () => {
      const before = await accessors();
      const { asked, log, variables } = await step("cluster", {}, "consumers/cluster/app/login password | PASSWORD");
      expect(asked).toEqual([`Bearer ask /id?placeholder=true&audience=${encodeURIComponent(url)}`]);
      expect(variables).toMatch(/^PASSWORD<<(\S+)\nof cluster\n\1\n$/);
      expect(log).toContain("::add-mask::of cluster\n1 secret(s): PASSWORD\n");
      expect(await accessors()).toBe(before);
    });

    it("get nothing of another consumer, and are told so", async () => {
      const { log, variables } = await step("cluster", {}, "consumers/ci-team/app password | PASSWORD");
      expect(variables).toBe("");
      expect(log).toMatch(
        /^::error::vault-secrets: \S+\/consumers\/ci-team\/app: .*permission denied.* \(HTTP 403\)$/m,
      );
    });

    it("of a pull request get nothing", async () => {
      const claims = { event_name: "pull_request_target" };
      const { log, variables } = await step("cluster", claims, "consumers/cluster/app/login password | PASSWORD");
      expect(variables).toBe("");
      expect(log).toMatch(/claim "event_name" does not match any associated bound claim values \(HTTP 400\)$/m);
    });
  });
});

/** A time as id tokens have it. @param seconds from now */
function now(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}
