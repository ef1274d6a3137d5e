import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { parseDocument } from "yaml";
import { EXIT, UserError } from "../../errors.ts";
import { deriveSecrets } from "../../keys/derive.ts";
import { openKeyFile } from "../../keys/keyfile.ts";
import { passphraseFrom } from "../../keys/passphrase.ts";
import type { SshTarget } from "../../ssh-target.ts";
import { runOrFail } from "../exec.ts";
import type { Shell } from "../shell.ts";
import type { Commit } from "../../backup/commit.ts";
import { newestCommit } from "./commits.ts";
import { BUNDLE, configName, describeFiles, keyName, MANIFEST, sharesName, STATE, type KitManifest } from "./kit.ts";
import { fetchOffsiteKit, resticOnOffsite, type OffsiteHost } from "./offsite-host.ts";

const DEFAULT_KEY_DIRECTORY = "keys/stacks";

/** What is known when everything but the passphrase is lost. */
export interface FetchArgs {
  readonly target: SshTarget;
  /** directory of the new checkout; must not exist, or be empty */
  readonly out: string;
  /** where the offsite holds the keys of several */
  readonly stack?: string;
}

/** What was fetched. */
export interface Fetched {
  readonly stack: string;
  readonly out: string;
  readonly backup: Commit;
  readonly kit: KitManifest;
}

/**
 * The repository with its keys and configuration, as of the newest backup, from the offsite and the passphrase alone.
 *
 * @throws UserError (unreachable, passphrase, keyFile, refused)
 */
export async function fetchKit(shell: Shell, args: FetchArgs): Promise<Fetched> {
  const out = resolve(args.out);
  if (existsSync(out) && readdirSync(out).length > 0)
    throw new UserError(
      `dr: ${out}: exists and is not empty`,
      "--out DIR: a directory that does not exist yet",
      EXIT.refused,
    );
  const passphrase = passphraseFrom(shell.environment, readFileSync);
  const host: OffsiteHost = { run: shell.run, target: args.target, where: "dr" };
  const scratch = mkdtempSync(join(tmpdir(), "foundation-dr-"));
  try {
    const clear = await unpack(shell, join(scratch, "clear"), (archive) => fetchOffsiteKit(host, archive));
    const stack = chooseStack(readdirSync(clear), args.stack);
    const secrets = deriveSecrets(await openKeyFile({ path: join(clear, keyName(stack)), passphrase }));
    const { password } = secrets.restic;
    const backup = await newestCommit(host, password, secrets.ownerId);
    shell.notice(`dr: the newest backup is ${backup.snapshot.slice(0, 8)} of ${backup.finished}`);
    const kitDirectory = await unpack(shell, join(scratch, "kit"), async (outputFile) => {
      const dump = ["dump", "--no-lock", "--archive", "tar", `${backup.snapshot}:/kit`, "/"];
      await resticOnOffsite(host, password, dump, { outputFile });
    });
    const kit = await verifyKit(kitDirectory);
    await runOrFail(shell.run, "dr", "git", ["clone", "--quiet", join(kitDirectory, BUNDLE), out]);
    await placeFiles(kitDirectory, kit.stack, out);
    return { stack: kit.stack, out, backup, kit };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function unpack(shell: Shell, directory: string, write: (archive: string) => Promise<void>): Promise<string> {
  await mkdir(directory);
  const archive = `${directory}.tar`;
  await write(archive);
  await runOrFail(shell.run, "dr", "tar", ["-xf", archive, "--no-same-owner", "-C", directory]);
  return directory;
}

/** Whose key file to open. @param names of the files that lie in clear on the offsite */
export function chooseStack(names: readonly string[], wanted: string | undefined): string {
  const stacks = names.flatMap((name) => /^(.+)\.key\.json$/.exec(name)?.[1] ?? []).sort();
  const hint = stacks.length === 0 ? "is it the offsite of this foundation?" : `--stack, one of: ${stacks.join(", ")}`;
  if (wanted !== undefined && !stacks.includes(wanted))
    throw new UserError(`dr: the offsite has no key file of stack ${wanted}`, hint, EXIT.keyFile);
  const [only, other] = stacks;
  if (wanted === undefined && (only === undefined || other !== undefined))
    throw new UserError(`dr: the offsite has the key files of ${String(stacks.length)} stacks`, hint, EXIT.keyFile);
  return wanted ?? (only as string);
}

/**
 * Compares a kit with its manifest.
 *
 * @throws UserError (keyFile) that names the file that is missing or different
 */
export async function verifyKit(directory: string): Promise<KitManifest> {
  const hint = "take an older backup: npx foundation restore --at TIME";
  const text = await readFile(join(directory, MANIFEST), "utf8").catch(() => {
    throw new UserError("dr: the backup has no kit", "npx foundation backup now puts one in", EXIT.keyFile);
  });
  const manifest = JSON.parse(text) as KitManifest;
  const found = await describeFiles(directory);
  for (const [name, { sha256 }] of Object.entries(manifest.files)) {
    if (found[name]?.sha256 === sha256) continue;
    const what = found[name] === undefined ? "is missing" : "is not what the manifest says";
    throw new UserError(`dr: kit: ${name} ${what}`, hint, EXIT.keyFile);
  }
  return manifest;
}

// The keys may be newer than the last commit, and a stack's own directory of keys may lie outside of the repository.
async function placeFiles(kit: string, stack: string, out: string): Promise<void> {
  const config = parseDocument(await readFile(join(kit, configName(stack)), "utf8"));
  const path = ["config", "foundation:keyDirectory"];
  const configured = config.getIn(path);
  let keys = resolve(out, typeof configured === "string" ? configured : DEFAULT_KEY_DIRECTORY);
  const inside = relative(out, keys);
  if (inside.startsWith("..") || isAbsolute(inside)) {
    config.deleteIn(path);
    keys = join(out, DEFAULT_KEY_DIRECTORY);
  }
  await writeFile(join(out, configName(stack)), config.toString({ lineWidth: 0 }));
  await mkdir(keys, { recursive: true });
  for (const name of [keyName(stack), sharesName(stack)]) {
    if (existsSync(join(kit, name))) await copyFile(join(kit, name), join(keys, name));
  }
  if (!existsSync(join(kit, STATE))) return;
  const state = join(out, ".state", "backup", STATE);
  await mkdir(dirname(state), { recursive: true });
  await copyFile(join(kit, STATE), state);
}
