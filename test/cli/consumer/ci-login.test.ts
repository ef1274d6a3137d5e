import { beforeEach, expect, it } from "vitest";
import { issueCiLogin } from "../../../cli/consumer/ci-login.ts";
import type { Http } from "../../../cli/http.ts";
import { EXIT } from "../../../errors.ts";

interface Sent {
  readonly request: string;
  readonly body: unknown;
  readonly credential: string | undefined;
}
let sent: Sent[];
beforeEach(() => (sent = []));

/** The forge and Vault, as far as they are asked. @param answers other statuses by request */
const fakeHttp =
  (answers: Readonly<Record<string, number>> = {}): Http =>
  (method, url, { headers = {}, body } = {}) => {
    const request = `${method} ${url.replace(/ci-login-[0-9a-f]{8}/, "NAME")}`;
    sent.push({ request, body, credential: headers["x-vault-token"] ?? headers.authorization });
    const [status, answer] = ANSWERS[request] ?? [404, {}];
    return Promise.resolve({
      status: answers[request] ?? status,
      headers: {},
      body: Buffer.from(JSON.stringify(answer)),
    });
  };

const VAULT = "https://vault.example.org/v1";
const FORGE = "https://git.example.org/api";
const IDENTITIES = `GET ${FORGE}/actions/.well-known/openid-configuration`;
const ISSUE = `POST ${VAULT}/auth/approle/role/jobs-team/secret-id`;
const ANSWERS: Readonly<Record<string, [status: number, answer: object]>> = {
  [`POST ${VAULT}/auth/approle/login`]: [200, { auth: { client_token: "vault-token" } }],
  [`POST ${VAULT}/auth/token/revoke-self`]: [204, {}],
  [`GET ${VAULT}/foundation/data/forgejo/admin`]: [200, { data: { data: { username: "operator", password: "pw" } } }],
  [ISSUE]: [200, { data: { secret_id: "issued" } }],
  [`POST ${FORGE}/v1/users/operator/tokens`]: [201, { sha1: "forge-token" }],
  [`DELETE ${FORGE}/v1/users/operator/tokens/NAME`]: [204, {}],
  [`PUT ${FORGE}/v1/orgs/teams/actions/secrets/VAULT_ROLE_ID`]: [201, {}],
  [`PUT ${FORGE}/v1/orgs/teams/actions/secrets/VAULT_SECRET_ID`]: [204, {}],
};

const issue = (answers?: Readonly<Record<string, number>>) => {
  const http = fakeHttp(answers);
  return issueCiLogin({
    sites: { git: "git.example.org", vault: "vault.example.org" },
    consumer: { name: "team", organisation: "teams", jobsRole: "jobs-team" },
    roleId: "role-of-team",
    ttl: "30m",
    program: { roleId: "role-of-pulumi", secretId: "secret-of-pulumi" },
    http,
    httpForCleanup: http,
  });
};

it("puts a secret id that ends into the organisation's secrets, and leaves no token of its own", async () => {
  expect(await issue()).toEqual([
    "fallback: for 30m, jobs of teams have what team has in Vault.",
    "By VAULT_ROLE_ID and VAULT_SECRET_ID, which every job of every branch there can read: this forge vouches for no job.",
  ]);
  const basic = `Basic ${Buffer.from("operator:pw").toString("base64")}`;
  const scopes = ["write:organization"];
  expect(sent.map(({ request, body, credential }) => [request, body, credential])).toEqual([
    [IDENTITIES, undefined, undefined],
    [`POST ${VAULT}/auth/approle/login`, { role_id: "role-of-pulumi", secret_id: "secret-of-pulumi" }, undefined],
    [`GET ${VAULT}/foundation/data/forgejo/admin`, undefined, "vault-token"],
    [`POST ${FORGE}/v1/users/operator/tokens`, { name: expect.stringMatching(/^ci-login-/), scopes }, basic],
    [`PUT ${FORGE}/v1/orgs/teams/actions/secrets/VAULT_ROLE_ID`, { data: "role-of-team" }, "token forge-token"],
    [ISSUE, { ttl: "30m" }, "vault-token"],
    [`PUT ${FORGE}/v1/orgs/teams/actions/secrets/VAULT_SECRET_ID`, { data: "issued" }, "token forge-token"],
    [`DELETE ${FORGE}/v1/users/operator/tokens/NAME`, undefined, basic],
    [`POST ${VAULT}/auth/token/revoke-self`, undefined, "vault-token"],
  ]);
});

it("is refused where the forge vouches for its jobs, before anything is issued", async () => {
  await expect(issue({ [IDENTITIES]: 200 })).rejects.toMatchObject({
    message: "consumer ci-login: the forge vouches for its jobs, which need no secret that is stored",
    hint: "enable-openid-connect: true in the workflow, and vault-secrets without role-id: docs/how-to.md, Secrets in CI",
    exitCode: EXIT.refused,
  });
  expect(sent.map(({ request }) => request)).toEqual([IDENTITIES]);
});

it("gives both tokens back where Vault does not issue", async () => {
  await expect(issue({ [ISSUE]: 404 })).rejects.toMatchObject({
    message: "https://vault.example.org: auth/approle/role/jobs-team/secret-id: HTTP 404",
    hint: "pulumi up puts the roles in place",
  });
  expect(sent.slice(-2).map(({ request }) => request)).toEqual([
    `DELETE ${FORGE}/v1/users/operator/tokens/NAME`,
    `POST ${VAULT}/auth/token/revoke-self`,
  ]);
});
