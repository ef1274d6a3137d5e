// Writes below one directory only, whatever the names in the artifact say, and through no link that is there already.
const { lstatSync, mkdirSync, realpathSync, writeFileSync } = require("node:fs");
const { dirname, relative, resolve, sep } = require("node:path");

const input = (name) => (process.env[`INPUT_${name.toUpperCase()}`] ?? "").trim();
const base = `${process.env.ACTIONS_RUNTIME_URL}_apis/pipelines/workflows/${process.env.GITHUB_RUN_ID}/artifacts`;
const headers = { authorization: `Bearer ${process.env.ACTIONS_RUNTIME_TOKEN}` };

async function get(url) {
  const response = await fetch(url, { headers });
  if (!response.ok) throw new Error(`GET ${new URL(url).pathname}: HTTP ${response.status}`);
  return response;
}

/** Where a file of the artifact goes. @throws Error where that is outside of the directory */
function place(directory, name) {
  const target = resolve(directory, name);
  if (target === directory || !target.startsWith(directory + sep)) throw new Error(`refused: ${name} leads outside`);
  mkdirSync(dirname(target), { recursive: true });
  const real = realpathSync(dirname(target));
  if (real !== directory && !real.startsWith(directory + sep)) throw new Error(`refused: ${name} leads through a link`);
  if (lstatSync(target, { throwIfNoEntry: false })?.isSymbolicLink()) throw new Error(`refused: ${name} is a link`);
  return target;
}

async function main() {
  const name = input("name");
  mkdirSync(input("path"), { recursive: true });
  const directory = realpathSync(input("path"));
  const { value: artifacts } = await (await get(base)).json();
  const artifact = artifacts.find((each) => each.name === name);
  if (!artifact) throw new Error(`no artifact ${name}; there are: ${artifacts.map((each) => each.name).join(", ")}`);
  const url = new URL(artifact.fileContainerResourceUrl);
  url.searchParams.set("itemPath", name);
  const { value: items } = await (await get(url)).json();
  for (const { path, contentLocation } of items.filter(({ itemType }) => itemType === "file")) {
    const file = path.startsWith(`${name}/`) ? path.slice(name.length + 1) : path;
    const target = place(directory, file);
    writeFileSync(target, Buffer.from(await (await get(contentLocation)).arrayBuffer()));
    console.log(relative(directory, target));
  }
}

main().catch((error) => {
  console.log(`::error::${error.message}`);
  process.exitCode = 1;
});
