// Uploads regular files only: a link would be followed here, and lead elsewhere where the artifact is unpacked.
const { createHash } = require("node:crypto");
const { lstatSync, readdirSync, readFileSync } = require("node:fs");
const { basename, join, relative } = require("node:path");

const input = (name) => (process.env[`INPUT_${name.toUpperCase()}`] ?? "").trim();
const base = `${process.env.ACTIONS_RUNTIME_URL}_apis/pipelines/workflows/${process.env.GITHUB_RUN_ID}/artifacts`;
const authorization = `Bearer ${process.env.ACTIONS_RUNTIME_TOKEN}`;

async function request(method, url, headers, body) {
  const response = await fetch(url, { method, headers: { authorization, ...headers }, body });
  if (!response.ok) throw new Error(`${method} ${new URL(url).pathname}: HTTP ${response.status}`);
  return response.json();
}

/** Every regular file at and below a path, with the name that it gets in the artifact. */
function filesOf(path) {
  const about = lstatSync(path, { throwIfNoEntry: false });
  if (about?.isFile()) return [[basename(path), path]];
  if (!about?.isDirectory()) return [];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => [relative(path, file), file]);
}

async function main() {
  const name = input("name");
  const files = input("path")
    .split("\n")
    .filter(Boolean)
    .flatMap((path) => filesOf(path.trim()));
  if (files.length === 0) {
    const what = input("if-no-files-found");
    if (what !== "ignore")
      console.log(`::${what === "error" ? "error" : "warning"}::no files found at ${input("path")}`);
    if (what === "error") process.exitCode = 1;
    return;
  }
  const json = { "content-type": "application/json" };
  const opened = await request("POST", base, json, JSON.stringify({ Type: "actions_storage", Name: name }));
  for (const [as, file] of files) {
    const content = readFileSync(file);
    const url = new URL(opened.fileContainerResourceUrl);
    url.searchParams.set("itemPath", `${name}/${as}`);
    await request(
      "PUT",
      url,
      {
        "content-type": "application/octet-stream",
        "content-range": `bytes 0-${Math.max(content.length - 1, 0)}/${content.length}`,
        "x-tfs-filelength": String(content.length),
        "x-actions-results-md5": createHash("md5").update(content).digest("base64"),
      },
      content,
    );
  }
  await request("PATCH", `${base}?artifactName=${encodeURIComponent(name)}`, json, JSON.stringify({ Size: 0 }));
  console.log(`${files.length} file(s) in ${name}`);
}

main().catch((error) => {
  console.log(`::error::${error.message}`);
  process.exitCode = 1;
});
