// Logs in, reads, and gives the token back before any other step is run.
const { randomUUID } = require("node:crypto");
const { appendFileSync } = require("node:fs");

const { env } = process;
const input = (name) => (env[`INPUT_${name.toUpperCase()}`] ?? "").trim();
const url = (input("url") || env.VAULT_ADDR || "").replace(/\/+$/, "");

/** Not even a value of several lines, or a part of it, is to be read in a log. */
function mask(value) {
  for (const line of String(value).split(/\r?\n/))
    if (line.trim() !== "") console.log(`::add-mask::${line.replaceAll("%", "%25")}`);
}

/** PATH KEY | NAME */
function wantedSecrets() {
  const lines = input("secrets")
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  return lines.map((line) => {
    const [, path, key, name] =
      /^((?!\.)[\w.-]+(?:\/(?!\.)[\w.-]+)*)\s+([\w.-]+)\s*\|\s*([A-Za-z_]\w*)$/.exec(line) ?? [];
    if (name === undefined) throw new Error(`not PATH KEY | NAME: ${line}`);
    // What these say decides what later steps do before they have begun.
    if (/^(PATH|HOME|NODE_OPTIONS|BASH_ENV|LD_\w+|GITHUB_\w+|RUNNER_\w+|ACTIONS_\w+)$/i.test(name))
      throw new Error(`not a name for a secret: ${name}`);
    return { path, key, name };
  });
}

async function request(method, at, headers, body) {
  const response = await fetch(at, { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  let answer = {};
  try {
    answer = text === "" ? {} : JSON.parse(text);
  } catch {
    // A web server's page: the status says it all.
  }
  if (response.ok) return answer;
  const said = (answer.errors ?? []).join("; ").replaceAll(/\s+/g, " ").trim() || answer.message;
  const { origin, pathname } = new URL(at);
  throw new Error(`${origin}${pathname}: ${said ? `${said} (HTTP ${response.status})` : `HTTP ${response.status}`}`);
}

const vault = (method, path, token, body) =>
  request(method, `${url}/v1/${path}`, token === undefined ? {} : { "x-vault-token": token }, body);

/** What the forge says of this job, for Vault alone. */
async function idToken() {
  const at = `${env.ACTIONS_ID_TOKEN_REQUEST_URL}&audience=${encodeURIComponent(url)}`;
  const { value } = await request("GET", at, { authorization: `Bearer ${env.ACTIONS_ID_TOKEN_REQUEST_TOKEN}` });
  mask(value);
  return value;
}

async function logIn() {
  const [roleId, secretId] = [input("role-id"), input("secret-id")];
  if (env.ACTIONS_ID_TOKEN_REQUEST_URL && env.ACTIONS_ID_TOKEN_REQUEST_TOKEN) {
    console.log(`the forge vouches for this job: role ${input("role")}`);
    return vault("POST", "auth/actions/login", undefined, { role: input("role"), jwt: await idToken() });
  }
  if (roleId !== "" && secretId !== "") {
    console.log("fallback: an AppRole's secret id, because the forge does not vouch for this job");
    mask(secretId);
    return vault("POST", "auth/approle/login", undefined, { role_id: roleId, secret_id: secretId });
  }
  throw new Error(
    "the forge does not vouch for this job. Forgejo does where the workflow has enable-openid-connect: true, " +
      "but not for a pull request from a fork; elsewhere role-id and secret-id are the fallback",
  );
}

async function main() {
  if (url === "") throw new Error("no url, and no VAULT_ADDR");
  const wanted = wantedSecrets();
  const { client_token: token } = (await logIn()).auth;
  mask(token);
  const lines = [];
  try {
    const values = new Map();
    for (const path of new Set(wanted.map((secret) => secret.path)))
      values.set(path, (await vault("GET", `foundation/data/${path}`, token)).data.data);
    for (const { path, key, name } of wanted) {
      const value = values.get(path)[key];
      if (typeof value !== "string") throw new Error(`foundation/${path}: has no ${key}`);
      mask(value);
      const end = `end-${randomUUID()}`;
      lines.push(`${name}<<${end}\n${value}\n${end}\n`);
    }
  } finally {
    await vault("POST", "auth/token/revoke-self", token).catch((error) =>
      console.log(`::warning::vault-secrets: the token is not given back and ends by itself: ${error.message}`),
    );
  }
  appendFileSync(env.GITHUB_ENV, lines.join(""));
  console.log(`${wanted.length} secret(s): ${wanted.map(({ name }) => name).join(", ")}`);
}

main().catch((error) => {
  console.log(`::error::vault-secrets: ${error.cause ? `${error.message}: ${error.cause.message}` : error.message}`);
  process.exitCode = 1;
});
