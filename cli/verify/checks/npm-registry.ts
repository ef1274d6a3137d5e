import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../../errors.ts";
import { ProgramMissing, runOrFail } from "../../exec.ts";
import type { Scratch } from "../../scratch.ts";
import { Skipped, type Check } from "../check.ts";
import type { VerifyContext } from "../context.ts";
import type { Forge } from "../forge.ts";

/** A package through `npm publish` and `npm install`. */
export const npmRegistry: Check = {
  name: "npm",
  title: "npm registry",
  async run(context, scratch, forge) {
    await requireNpm(context);
    const name = `@${context.forge.organisation}/${scratch.id}`;
    const content = `export default "${randomBytes(16).toString("hex")}";\n`;
    const published = join(scratch.directory, "published");
    await writeProject(published, { name, version: "1.0.0", type: "module", main: "index.js" });
    await writeFile(join(published, "index.js"), content);
    const installing = join(scratch.directory, "installing");
    await writeProject(installing, { name: "installing", version: "1.0.0", private: true });

    const env = { ...withoutNpmSettings(context), ...(await configuration(context, scratch, forge)) };
    const npm = (what: string, directory: string, ...args: string[]) =>
      runOrFail(context.run, what, "npm", [...args, "--loglevel=error", "--no-audit", "--no-fund"], { directory, env });
    forge.deferPackageRemoval(scratch, "npm", name);
    await npm("npm publish", published, "publish");
    await npm("npm install", installing, "install", `${name}@1.0.0`);
    const installed = await readFile(join(installing, "node_modules", name, "index.js"), "utf8");
    if (installed !== content) throw new UserError("npm: installed something else than published", "look at the forge");
    return `published and installed ${name}`;
  },
};

async function requireNpm({ run }: VerifyContext): Promise<void> {
  try {
    await run("npm", ["--version"]);
  } catch (error) {
    throw error instanceof ProgramMissing ? new Skipped("npm is not installed on this machine") : error;
  }
}

async function writeProject(directory: string, manifest: object): Promise<void> {
  await mkdir(directory);
  await writeFile(join(directory, "package.json"), JSON.stringify(manifest));
}

/** A .npmrc with the token, for this check alone; npm finds it through the environment. */
async function configuration(
  { sites, ca, forge: { organisation } }: VerifyContext,
  scratch: Scratch,
  forge: Forge,
): Promise<Record<string, string>> {
  const registry = `//${sites.git}/api/packages/${organisation}/npm/`;
  const lines = [`@${organisation}:registry=https:${registry}`, `${registry}:_authToken=${await forge.token()}`];
  if (ca !== undefined) {
    const caFile = join(scratch.directory, "ca.crt");
    await writeFile(caFile, ca);
    lines.push(`cafile=${caFile}`);
  }
  const userconfig = join(scratch.directory, ".npmrc");
  await writeFile(userconfig, `${lines.join("\n")}\n`, { mode: 0o600 });
  return {
    npm_config_userconfig: userconfig,
    npm_config_globalconfig: join(scratch.directory, "no-global-npmrc"),
    npm_config_cache: join(scratch.directory, "npm-cache"),
    npm_config_update_notifier: "false",
  };
}

/** Under `npm run` the environment is full of that npm's own settings, which would go before the file's. */
function withoutNpmSettings({ environment }: VerifyContext): Record<string, undefined> {
  const names = Object.keys(environment).filter((name) => name.toLowerCase().startsWith("npm_"));
  return Object.fromEntries(names.map((name) => [name, undefined]));
}
