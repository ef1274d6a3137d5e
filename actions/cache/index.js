// Restores before the steps, saves after them. One archive a key, in the forge's package registry, which is in S3.
const { execFileSync } = require("node:child_process");
const { createHash } = require("node:crypto");
const { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");

const input = (name) => (process.env[`INPUT_${name.toUpperCase()}`] ?? "").trim();
const token = input("token");
const version = createHash("sha256")
  .update(`${input("key")}\n${input("path")}`)
  .digest("hex")
  .slice(0, 32);
const [owner, repository] = process.env.GITHUB_REPOSITORY.split("/");
const server = `${process.env.GITHUB_SERVER_URL}/api/packages/${owner}/generic`;
// By a name that says whose it is: a token for packages is often the whole organisation's.
const url = `${server}/cache-${repository}/${version}/cache.tar.gz`;
const headers = { authorization: `token ${token}` };
const archive = join(tmpdir(), `cache-${version}.tar.gz`);

async function restore() {
  const response = await fetch(url, { headers });
  const isHit = response.ok;
  if (isHit) {
    writeFileSync(archive, Buffer.from(await response.arrayBuffer()));
    execFileSync("tar", ["--extract", "--gzip", "--absolute-names", "--file", archive]);
    rmSync(archive);
  }
  console.log(isHit ? `restored ${input("path")}` : `nothing under this key (HTTP ${response.status})`);
  appendFileSync(process.env.GITHUB_OUTPUT, `cache-hit=${isHit}\n`);
  appendFileSync(process.env.GITHUB_STATE, `isHit=${isHit}\n`);
}

async function save() {
  if (process.env.STATE_isHit === "true" || !existsSync(input("path"))) return;
  execFileSync("tar", ["--create", "--gzip", "--absolute-names", "--file", archive, input("path")]);
  const response = await fetch(url, { method: "PUT", headers, body: readFileSync(archive) });
  rmSync(archive);
  // 409: another run was first, with the same content.
  console.log(response.ok || response.status === 409 ? `saved ${input("path")}` : `not saved: HTTP ${response.status}`);
}

async function main() {
  if (token === "") return console.log("no token, so there is no cache");
  await (process.env.STATE_isHit === undefined ? restore() : save());
}

main().catch((error) => console.log(`::warning::cache: ${error.message}`));
