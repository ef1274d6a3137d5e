import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

// As a runner starts it. test/e2e/vault-job-login.test.ts has it log in to a real Vault.

const directory = mkdtempSync(join(tmpdir(), "vault-secrets-"));
// In a repository of its own, as jobs have it.
const ACTION = join(directory, "index.js");
cpSync(join(import.meta.dirname, "../../actions/vault-secrets/index.js"), ACTION);
const VARIABLES = join(directory, "env");

let server: Server;
let url: string;
let requests: string[];
/** other answers, by request */
let answers: Record<string, [status: number, body: object | string]>;

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      const { authorization, "x-vault-token": token } = request.headers;
      const what = `${request.method ?? ""} ${request.url ?? ""}`;
      requests.push([what, authorization ?? token, body].filter(Boolean).join(" "));
      const [status, answer] = answers[what] ?? STANDARD[what] ?? [404, { errors: [] }];
      response.writeHead(status).end(typeof answer === "string" ? answer : JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
});
afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});
beforeEach(() => {
  requests = [];
  answers = {};
  writeFileSync(VARIABLES, "");
});

const STANDARD: Readonly<Record<string, [number, object]>> = {
  "POST /v1/auth/actions/login": [200, { auth: { client_token: "hvs.job" } }],
  "POST /v1/auth/approle/login": [200, { auth: { client_token: "hvs.fallback" } }],
  "POST /v1/auth/token/revoke-self": [204, {}],
  "GET /v1/foundation/data/consumers/team/app": [
    200,
    { data: { data: { password: "p%wd", key: "line 1\nline 2\n" } } },
  ],
};

/** One run of the action. @param changes of its environment */
function run(changes: Record<string, string> = {}) {
  const env = {
    PATH: process.env.PATH,
    VAULT_ADDR: `${url}/`,
    GITHUB_ENV: VARIABLES,
    INPUT_ROLE: "team",
    INPUT_SECRETS: "consumers/team/app password | PASSWORD\n\n  consumers/team/app key|APP_KEY\n",
    ...changes,
  };
  return new Promise<{ code: number; lines: string[] }>((resolve) =>
    execFile(process.execPath, [ACTION], { env }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : 1, lines: `${stdout}${stderr}`.trimEnd().split("\n") }),
    ),
  );
}

const vouched = () => {
  answers[`GET /idtoken?placeholder=true&audience=${encodeURIComponent(url)}`] = [200, { value: "id.of.job" }];
  return { ACTIONS_ID_TOKEN_REQUEST_URL: `${url}/idtoken?placeholder=true`, ACTIONS_ID_TOKEN_REQUEST_TOKEN: "ask" };
};
const FALLBACK = { "INPUT_ROLE-ID": "role", "INPUT_SECRET-ID": "s3cret" };

/** What the steps that follow get. */
function variables(): [string, string][] {
  const text = readFileSync(VARIABLES, "utf8");
  return [...text.matchAll(/^(\w+)<<(\S+)\n([^]*?)\n\2\n/gm)].map(([, name = "", , value = ""]) => [name, value]);
}

describe("a job that the forge vouches for", () => {
  it("gets its secrets, masked line by line, and its token is gone before the next step", async () => {
    expect(await run(vouched())).toEqual({
      code: 0,
      lines: [
        "the forge vouches for this job: role team",
        "::add-mask::id.of.job",
        "::add-mask::hvs.job",
        "::add-mask::p%25wd",
        "::add-mask::line 1",
        "::add-mask::line 2",
        "2 secret(s): PASSWORD, APP_KEY",
      ],
    });
    expect(variables()).toEqual([
      ["PASSWORD", "p%wd"],
      ["APP_KEY", "line 1\nline 2\n"],
    ]);
    expect(requests).toEqual([
      `GET /idtoken?placeholder=true&audience=${encodeURIComponent(url)} Bearer ask`,
      'POST /v1/auth/actions/login {"role":"team","jwt":"id.of.job"}',
      "GET /v1/foundation/data/consumers/team/app hvs.job",
      "POST /v1/auth/token/revoke-self hvs.job",
    ]);
  });

  it("leaves the fallback alone", async () => {
    expect((await run({ ...vouched(), ...FALLBACK })).code).toBe(0);
    expect(requests.join("\n")).not.toMatch(/approle|s3cret/);
  });

  it("hears Vault's own words where the role is not for it", async () => {
    const said = 'error validating claims: claim "ref" does not match any associated bound claim values';
    const environment = vouched();
    answers["POST /v1/auth/actions/login"] = [400, { errors: [said] }];
    expect(await run(environment)).toEqual({
      code: 1,
      lines: [
        "the forge vouches for this job: role team",
        "::add-mask::id.of.job",
        `::error::vault-secrets: ${url}/v1/auth/actions/login: ${said} (HTTP 400)`,
      ],
    });
  });
});

describe("a job that the forge does not vouch for", () => {
  it("has the fallback, and it is called so", async () => {
    const { code, lines } = await run(FALLBACK);
    expect([code, lines.slice(0, 3)]).toEqual([
      0,
      [
        "fallback: an AppRole's secret id, because the forge does not vouch for this job",
        "::add-mask::s3cret",
        "::add-mask::hvs.fallback",
      ],
    ]);
    expect(requests[0]).toBe('POST /v1/auth/approle/login {"role_id":"role","secret_id":"s3cret"}');
    expect(variables()[0]).toEqual(["PASSWORD", "p%wd"]);
  });

  it("is told why it gets nothing", async () => {
    // As a pull request from a fork has it: secrets are empty there.
    expect(await run({ "INPUT_ROLE-ID": "", "INPUT_SECRET-ID": "", ACTIONS_ID_TOKEN_REQUEST_URL: "" })).toEqual({
      code: 1,
      lines: [
        "::error::vault-secrets: the forge does not vouch for this job. Forgejo does where the workflow has " +
          "enable-openid-connect: true, but not for a pull request from a fork; elsewhere role-id and secret-id are the fallback",
      ],
    });
    expect(requests).toEqual([]);
  });
});

describe("nothing is handed on, and the token given back,", () => {
  const REVOKED = "POST /v1/auth/token/revoke-self hvs.fallback";
  it.each([
    [
      "where a secret may not be read",
      "consumers/other/app password | PASSWORD",
      {
        "GET /v1/foundation/data/consumers/other/app": [
          403,
          { errors: ["1 error occurred:\n\t* permission denied\n\n"] },
        ],
      },
      "URL/v1/foundation/data/consumers/other/app: 1 error occurred: * permission denied (HTTP 403)",
    ],
    ["where there is none", "consumers/team/none x | X", {}, "URL/v1/foundation/data/consumers/team/none: HTTP 404"],
    [
      "where it has not that key",
      "consumers/team/app password | PASSWORD\nconsumers/team/app user | APP_USER",
      {},
      "foundation/consumers/team/app: has no user",
    ],
    [
      "where a web server answers in Vault's place",
      "consumers/team/app password | PASSWORD",
      { "GET /v1/foundation/data/consumers/team/app": [502, "<html>"] },
      "URL/v1/foundation/data/consumers/team/app: HTTP 502",
    ],
  ] as const)("%s", async (_, secrets, others, message) => {
    Object.assign(answers, others);
    const { code, lines } = await run({ ...FALLBACK, INPUT_SECRETS: secrets });
    expect([code, lines.at(-1)]).toEqual([1, `::error::vault-secrets: ${message.replace("URL", url)}`]);
    expect([requests.at(-1), readFileSync(VARIABLES, "utf8")]).toEqual([REVOKED, ""]);
  });
});

it.each([
  ["consumers/team/app password", "not PATH KEY | NAME: consumers/team/app password"],
  ["consumers/../admin password | X", "not PATH KEY | NAME: consumers/../admin password | X"],
  ["../sys/x password | X", "not PATH KEY | NAME: ../sys/x password | X"],
  ["a b | 1X", "not PATH KEY | NAME: a b | 1X"],
  ["a b | NODE_OPTIONS", "not a name for a secret: NODE_OPTIONS"],
  ["a b | LD_PRELOAD", "not a name for a secret: LD_PRELOAD"],
  ["a b | GITHUB_PATH", "not a name for a secret: GITHUB_PATH"],
])("%s is refused before anybody is asked", async (secrets, message) => {
  expect(await run({ ...FALLBACK, INPUT_SECRETS: secrets })).toEqual({
    code: 1,
    lines: [`::error::vault-secrets: ${message}`],
  });
  expect(requests).toEqual([]);
});

it("says so where nobody says where Vault is", async () => {
  expect(await run({ VAULT_ADDR: "", ...FALLBACK })).toMatchObject({
    lines: ["::error::vault-secrets: no url, and no VAULT_ADDR"],
  });
});
