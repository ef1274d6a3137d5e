import type { Command } from "commander";
import { readFileSync } from "node:fs";
import { isAbsolute, join, relative, resolve } from "node:path";
import { parse } from "yaml";
import type { Config } from "../config.ts";
import { EXIT, UserError } from "../errors.ts";
import type { DerivedSecrets } from "../keys/derive.ts";
import { keyFileName } from "../keys/keyfile-format.ts";
import type { Shell } from "./shell.ts";

/** Options that say which foundation a command is about. */
export interface StackOptions {
  readonly stack: string;
  readonly configFile?: string;
}

/** A stack as far as it is known without the passphrase. */
export interface Stack {
  readonly name: string;
  readonly config: Config;
  /** absolute path of the key file */
  readonly keyFile: string;
}

/** A stack whose key file has been opened. */
export interface OpenStack extends Stack {
  readonly secrets: DerivedSecrets;
}

/** Adds `--stack` and `--config-file`, named and meant as Pulumi's own. */
export function addStackOptions(command: Command): Command {
  return command
    .option("-s, --stack <name>", "name of the Pulumi stack", "prod")
    .option("--config-file <path>", "configuration to use instead of Pulumi.<stack>.yaml");
}

/**
 * Reads a stack's configuration from Pulumi.<stack>.yaml, as the program itself would see it.
 *
 * @throws UserError (config)
 */
export async function loadStack(shell: Shell, options: StackOptions): Promise<Stack> {
  const raw = readStackFile(shell, options);
  if (raw === undefined) {
    const { shown } = stackFile(shell, options);
    throw new UserError(
      `${shown}: no such file`,
      `a new stack: pulumi stack init ${options.stack} --secrets-provider passphrase; another one: --stack NAME`,
      EXIT.config,
    );
  }
  // Loaded late: the parser comes with the Pulumi SDK, which the other commands need not wait for.
  const { parseConfig } = await import("../config.ts");
  const config = parseConfig(raw);
  return { name: options.stack, config, keyFile: keyFilePath(shell, options.stack, config.keyDirectory) };
}

/**
 * Opens a stack's key file with the passphrase from the environment and derives its secrets.
 *
 * @throws UserError (config, passphrase, keyFile)
 */
export async function openStack(shell: Shell, options: StackOptions): Promise<OpenStack> {
  const stack = await loadStack(shell, options);
  const [{ passphraseFrom }, { openKeyFile }, { deriveSecrets }] = await Promise.all([
    import("../keys/passphrase.ts"),
    import("../keys/keyfile.ts"),
    import("../keys/derive.ts"),
  ]);
  const passphrase = passphraseFrom(shell.environment, readFileSync);
  return { ...stack, secrets: deriveSecrets(await openKeyFile({ path: stack.keyFile, passphrase })) };
}

/** Where the key file of a stack is, or is to be; `keyDirectory` as configured. */
export function keyFilePath(shell: Shell, stack: string, keyDirectory = "keys/stacks"): string {
  return resolve(shell.projectDirectory, keyDirectory, keyFileName(stack));
}

/**
 * The values under `foundation:`, without that prefix; undefined where the stack has no file yet.
 *
 * @throws UserError (config) where the file is not what Pulumi writes
 */
export function readStackFile(shell: Shell, options: StackOptions): Record<string, unknown> | undefined {
  const { path, shown } = stackFile(shell, options);
  let document: unknown;
  try {
    document = parse(readFileSync(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    const reason = (error as Error).message.split("\n", 1)[0];
    throw new UserError(`${shown}: cannot be read: ${reason}`, `git diff -- ${shown}`, EXIT.config);
  }
  const values = (document as { config?: Record<string, unknown> } | null)?.config ?? {};
  const prefix = "foundation:";
  return Object.fromEntries(
    Object.entries(values)
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), value]),
  );
}

/** Absolute path of a stack's configuration. */
export function stackFilePath(shell: Shell, options: StackOptions): string {
  return stackFile(shell, options).path;
}

function stackFile(shell: Shell, { stack, configFile }: StackOptions): { path: string; shown: string } {
  const path = resolve(shell.projectDirectory, configFile ?? join(`Pulumi.${stack}.yaml`));
  const short = relative(shell.projectDirectory, path);
  return { path, shown: short.startsWith("..") || isAbsolute(short) ? path : short };
}
