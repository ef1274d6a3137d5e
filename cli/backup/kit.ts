import { createHash } from "node:crypto";
import { copyFile, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UserError } from "../../errors.ts";
import { lastLine, runOrFail } from "../exec.ts";
import type { Shell } from "../shell.ts";
import type { Stack } from "../stack.ts";
import { fillRunbook, readRunbook } from "./runbook.ts";

/** What is needed, besides the passphrase, to bring a foundation back: it is part of every backup. */
export interface KitManifest {
  readonly version: 1;
  readonly stack: string;
  /** ISO time */
  readonly created: string;
  /** HEAD of the repository */
  readonly commit: string;
  /** by name; everything in the kit but the manifest itself */
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

export const MANIFEST = "kit.json";
export const BUNDLE = "repository.bundle";
export const STATE = "state.json";
export const RUNBOOK = "RECOVERY.md";

/** Where a kit comes from besides the stack. */
export interface KitSource {
  /** absolute path of the stack's configuration */
  readonly configFile: string;
  /** export of Pulumi's state; Pulumi is asked for one where none is given */
  readonly stateFile?: string;
}

/**
 * Puts the kit together. Nothing in it is a secret in clear: keys, shares and state are sealed by the passphrase.
 *
 * @param directory an empty one, which gets the files
 * @throws UserError where the repository or a file of the stack cannot be read
 */
export async function collectKit(
  shell: Shell,
  stack: Stack,
  source: KitSource,
  directory: string,
): Promise<KitManifest> {
  const commit = await bundleRepository(shell, join(directory, BUNDLE));
  await copyFile(source.configFile, join(directory, configName(stack.name)));
  await copyFile(stack.keyFile, join(directory, keyName(stack.name)));
  const shares = join(dirname(stack.keyFile), sharesName(stack.name));
  await copyFile(shares, join(directory, sharesName(stack.name))).catch((error: unknown) => {
    // before the first deployment there is none
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    shell.notice(`kit: no share file yet (${shares})`);
  });
  await addState(shell, stack.name, source.stateFile, join(directory, STATE));
  await writeFile(join(directory, "images.json"), `${JSON.stringify(stack.config.images, undefined, 2)}\n`);
  await writeFile(join(directory, RUNBOOK), fillRunbook(readRunbook(shell.projectDirectory), stack));
  const manifest: KitManifest = {
    version: 1,
    stack: stack.name,
    created: new Date().toISOString(),
    commit,
    files: await describeFiles(directory),
  };
  await writeFile(join(directory, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`);
  return manifest;
}

export const configName = (stack: string): string => `Pulumi.${stack}.yaml`;
export const keyName = (stack: string): string => `${stack}.key.json`;
export const sharesName = (stack: string): string => `${stack}.shares.json`;

/** Size and hash of every file in a directory, by name. */
export async function describeFiles(directory: string): Promise<KitManifest["files"]> {
  const names = (await readdir(directory)).sort();
  const files = names.map(async (name) => {
    const content = await readFile(join(directory, name));
    return [name, { bytes: content.length, sha256: createHash("sha256").update(content).digest("hex") }] as const;
  });
  return Object.fromEntries(await Promise.all(files));
}

async function bundleRepository(shell: Shell, file: string): Promise<string> {
  const git = (...args: string[]) => runOrFail(shell.run, "kit", "git", ["-C", shell.projectDirectory, ...args]);
  const commit = (await git("rev-parse", "--verify", "HEAD")).trim();
  await git("bundle", "create", "--quiet", file, "HEAD", "--all");
  const changed = (await git("status", "--porcelain", "--untracked-files=no")).split("\n").length - 1;
  if (changed > 0) {
    const files = changed === 1 ? "1 file is" : `${String(changed)} files are`;
    shell.notice(`kit: ${files} changed and not committed; the kit has the repository as committed`);
  }
  return commit;
}

async function addState(shell: Shell, stack: string, stateFile: string | undefined, file: string): Promise<void> {
  if (stateFile !== undefined) {
    await copyFile(stateFile, file).catch((error: unknown) => {
      const { code } = error as NodeJS.ErrnoException;
      throw new UserError(
        `kit: ${stateFile}: cannot be read (${String(code)})`,
        "name the file of an export with --state",
      );
    });
    return;
  }
  const args = ["stack", "export", "--stack", stack, "--file", file, "--non-interactive"];
  const env = { PULUMI_SKIP_UPDATE_CHECK: "true" };
  const reason = await shell.run("pulumi", args, { directory: shell.projectDirectory, env }).then(
    ({ exitCode, stderr }) => (exitCode === 0 ? undefined : (lastLine(stderr) ?? "pulumi gave no reason")),
    (error: unknown) => (error as Error).message,
  );
  if (reason !== undefined) shell.notice(`kit: without Pulumi's state, which a rebuild does not need: ${reason}`);
}
