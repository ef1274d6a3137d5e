import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { VerifyContext } from "../../../cli/verify/context.ts";
import { must } from "../rig.ts";
import type { Owner, Seen } from "./load.ts";

// Fifty versions by the real npm: one run publishes a version of every package, one run installs everything.

const PACKAGES = 10;
const VERSIONS = ["1.0.0", "1.0.1", "1.1.0", "2.0.0", "2.1.0-rc.1"];

const names = ({ forge }: VerifyContext, { name }: Owner): string[] =>
  Array.from({ length: PACKAGES }, (_, index) => `@${forge.organisation}/${name}-${String(index)}`);

async function openNpm(context: VerifyContext, { token }: Owner, directory: string) {
  const { sites, forge, ca } = context;
  const registry = `//${sites.git}/api/packages/${forge.organisation}/npm/`;
  const cafile = join(directory, "npm-ca.crt");
  const userconfig = join(directory, ".npmrc");
  await writeFile(cafile, ca ?? "");
  const lines = [`@${forge.organisation}:registry=https:${registry}`, `${registry}:_authToken=${token}`];
  await writeFile(userconfig, `${lines.join("\n")}\n`);
  const environment = {
    // In the environment: what npm was started with for these tests would count more than the file.
    npm_config_userconfig: userconfig,
    npm_config_globalconfig: "/dev/null",
    npm_config_cafile: cafile,
    npm_config_cache: join(directory, "npm-cache"),
  };
  return (path: string, ...args: string[]) =>
    must(["npm", "--prefix", path, ...args, "--no-audit", "--no-fund", "--loglevel=error"], { environment });
}

/** @returns the content of every version, and how the registry says to check it */
export async function putPackages(context: VerifyContext, owner: Owner, directory: string): Promise<Seen> {
  const npm = await openNpm(context, owner, directory);
  const root = join(directory, "packages");
  const seen: Record<string, string> = {};
  for (const version of VERSIONS) {
    for (const [index, name] of names(context, owner).entries()) {
      const path = join(root, String(index));
      const content = `module.exports = "${randomBytes(200).toString("hex")}";\n`;
      await mkdir(path, { recursive: true });
      await writeFile(join(path, "package.json"), JSON.stringify({ name, version, main: "index.js" }));
      await writeFile(join(path, "index.js"), content);
      seen[`npm ${name}@${version}`] = sha256(content);
    }
    await writeFile(join(root, "package.json"), JSON.stringify({ private: true, workspaces: ["*"] }));
    await npm(root, "publish", "--workspaces", "--tag", "load");
  }
  for (const name of names(context, owner)) Object.assign(seen, await integrities(context, owner, name));
  return seen;
}

/** Installs every version beside the others; npm compares each archive with what the registry says of it. */
export async function lookAtPackages(context: VerifyContext, owner: Owner, directory: string): Promise<Seen> {
  const npm = await openNpm(context, owner, directory);
  const root = join(directory, "installed");
  const wanted = names(context, owner).flatMap((name) => VERSIONS.map((version) => `${name}@${version}`));
  const dependencies = Object.fromEntries(wanted.map((id, index) => [`p${String(index)}`, `npm:${id}`]));
  await mkdir(root);
  await writeFile(join(root, "package.json"), JSON.stringify({ dependencies }));
  await npm(root, "install");
  const lock = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")) as Lock;
  const seen: Record<string, string> = {};
  for (const [index, id] of wanted.entries()) {
    const path = `node_modules/p${String(index)}`;
    seen[`npm ${id}`] = sha256(await readFile(join(root, path, "index.js"), "utf8"));
    seen[`npm ${id} integrity`] = lock.packages[path]?.integrity ?? "";
  }
  return seen;
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly integrity: string }>>;
}

async function integrities({ http, sites, forge }: VerifyContext, { token }: Owner, name: string): Promise<Seen> {
  const url = `https://${sites.git}/api/packages/${forge.organisation}/npm/${encodeURIComponent(name)}`;
  const answer = await http("GET", url, { headers: { authorization: `Bearer ${token}` } });
  const { versions } = JSON.parse(answer.body.toString()) as {
    versions: Record<string, { dist: { integrity: string } }>;
  };
  const entries = Object.entries(versions);
  return Object.fromEntries(entries.map(([version, { dist }]) => [`npm ${name}@${version} integrity`, dist.integrity]));
}

const sha256 = (content: string): string => createHash("sha256").update(content).digest("hex");
