import { access, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { EXIT, UserError } from "../errors.ts";
import { writeFileAtomically } from "../keys/atomic-file.ts";
import { newPulumiKey, openPulumiKey, openPulumiValue, sealPulumiValue } from "../keys/pulumi-secrets.ts";
import type { ChildEnvironment } from "./exec.ts";
import { readOptional } from "./real-effects.ts";

// Pulumi keeps a stack's passphrase secrets in two files: Pulumi.STACK.yaml, and the state, which with a file:// backend
// is a file as well. Both name their salt, and their ciphertexts are strings that occur nowhere else, so that a file can
// be given another key by replacing strings: comments and layout stay.

/** Marks a secret in Pulumi's state. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/** A secret in a file of Pulumi's. */
export interface PulumiSecret {
  /** where it is, as in `foundation:a.b[0]` */
  readonly key: string;
  readonly ciphertext: string;
}

/** A file of Pulumi's with secrets under the passphrase. */
export interface SecretsFile {
  readonly path: string;
  readonly text: string;
  readonly salt: string;
  readonly secrets: readonly PulumiSecret[];
}

/** Where Pulumi keeps what belongs to a stack. */
export interface PulumiFiles {
  /** Pulumi.STACK.yaml; `undefined` where there is none, or none with a passphrase */
  readonly config: SecretsFile | undefined;
  /** the state of a file:// backend, likewise */
  readonly state: SecretsFile | undefined;
  /** whether the state is somewhere else, where only Pulumi can change it */
  readonly isRemote: boolean;
}

/**
 * Reads Pulumi's files of a stack.
 *
 * @param project directory of Pulumi.yaml
 * @param env names the backend as for Pulumi itself
 * @throws UserError (config) where a file is not as Pulumi writes it
 */
export async function readPulumiFiles(project: string, stack: string, env: ChildEnvironment): Promise<PulumiFiles> {
  const config = await readStackConfig(project, stack);
  if (config === undefined) return { config, state: undefined, isRemote: false };
  const { name, backend } = await readProject(project);
  const url = env["PULUMI_BACKEND_URL"] || backend || (await loggedIn(env));
  if (!url.startsWith("file://")) return { config, state: undefined, isRemote: true };
  const root = join(backendDirectory(url, project, env), ".pulumi");
  await requireUnlocked(root, name, stack);
  return { config, state: await readState(join(root, "stacks", name, `${stack}.json`)), isRemote: false };
}

/** Whether the passphrase opens the file. */
export async function opens(file: SecretsFile, passphrase: Buffer): Promise<boolean> {
  return (await openPulumiKey(file.path, file.salt, passphrase)) !== undefined;
}

/**
 * Puts a file's secrets under another passphrase, in one atomic step.
 *
 * @param salt of the other file, where that is under the new passphrase already: Pulumi has one salt for both
 * @returns the salt
 * @throws UserError (config) where a value does not open
 */
export async function rewrap(
  file: SecretsFile,
  { before, after, salt }: { before: Buffer; after: Buffer; salt: string | undefined },
): Promise<string> {
  const oldKey = await openPulumiKey(file.path, file.salt, before);
  const next =
    salt === undefined ? await newPulumiKey(after) : { key: await openPulumiKey(file.path, salt, after), salt };
  if (oldKey === undefined || next.key === undefined) throw new Error(`${file.path}: the passphrases do not fit`);
  let text = file.text.replaceAll(file.salt, next.salt);
  for (const ciphertext of new Set(file.secrets.map((secret) => secret.ciphertext))) {
    const value = openPulumiValue(oldKey, ciphertext);
    if (value === undefined) throw malformed(file.path, "a secret in it does not open");
    text = text.replaceAll(ciphertext, sealPulumiValue(next.key, value));
  }
  await writeFileAtomically(file.path, text, true);
  return next.salt;
}

/**
 * Makes a configuration without secrets one that never had any: Pulumi then takes the next passphrase for its own.
 *
 * @param config without secrets: they would be lost
 */
export async function removeSalt({ path, text, salt, secrets }: SecretsFile): Promise<void> {
  if (secrets.length > 0) throw new Error(`${path} has secrets under its salt`);
  const lines = text.split("\n").filter((line) => !(line.startsWith("encryptionsalt:") && line.includes(salt)));
  await writeFileAtomically(path, lines.join("\n"), true);
}

/**
 * Reads Pulumi.STACK.yaml.
 *
 * @returns `undefined` where there is none, or none with a passphrase
 * @throws UserError (config) where it is not as Pulumi writes it
 */
export async function readStackConfig(project: string, stack: string): Promise<SecretsFile | undefined> {
  const path = join(project, `Pulumi.${stack}.yaml`);
  const text = await readOptional(path);
  if (text === undefined) return undefined;
  const content = await parseYaml(path, text);
  const { encryptionsalt: salt } = content;
  if (typeof salt !== "string") return undefined;
  return { path, text, salt, secrets: secretsIn(content["config"], configSecret) };
}

async function readState(path: string): Promise<SecretsFile | undefined> {
  const text = await readOptional(path);
  if (text === undefined) {
    const isZipped = (await readOptional(`${path}.gz`)) !== undefined;
    if (!isZipped) return undefined;
    throw new UserError(`${path}.gz: is compressed`, "install the pulumi program: it can read it", EXIT.config);
  }
  let state: { checkpoint?: { latest?: { secrets_providers?: { type?: string; state?: { salt?: string } } } } };
  try {
    state = JSON.parse(text) as typeof state;
  } catch {
    throw malformed(path, "it is not JSON");
  }
  const provider = state.checkpoint?.latest?.secrets_providers;
  const salt = provider?.state?.salt;
  if (provider?.type !== "passphrase" || salt === undefined) return undefined;
  return { path, text, salt, secrets: secretsIn(state, stateSecret) };
}

/** Pulumi takes a map with the one key `secure` for a secret, at any depth. */
function configSecret(value: object): unknown {
  const [[name, ciphertext] = [], ...more] = Object.entries(value) as [string, unknown][];
  return name === "secure" && more.length === 0 ? ciphertext : undefined;
}

function stateSecret(value: object): unknown {
  const { [SIGNATURE]: signature, ciphertext } = value as Record<string, unknown>;
  return signature === SECRET ? ciphertext : undefined;
}

function secretsIn(value: unknown, ciphertextOf: (value: object) => unknown, key = ""): PulumiSecret[] {
  if (typeof value !== "object" || value === null) return [];
  const ciphertext = ciphertextOf(value);
  if (typeof ciphertext === "string") return [{ key, ciphertext }];
  const separator = key === "" ? "" : ".";
  return Object.entries(value).flatMap(([name, member]) =>
    secretsIn(member, ciphertextOf, key + (Array.isArray(value) ? `[${name}]` : `${separator}${name}`)),
  );
}

async function readProject(project: string): Promise<{ name: string; backend: string | undefined }> {
  const path = join(project, "Pulumi.yaml");
  const content = await parseYaml(path, (await readOptional(path)) ?? "");
  const { name, backend } = content as { name?: unknown; backend?: { url?: unknown } };
  if (typeof name !== "string") throw malformed(path, "it has no name");
  return { name, backend: typeof backend?.url === "string" ? backend.url : undefined };
}

async function loggedIn(env: ChildEnvironment): Promise<string> {
  const home = env["PULUMI_HOME"] ?? join(env["HOME"] ?? "", ".pulumi");
  const text = await readOptional(join(home, "credentials.json"));
  return text === undefined ? "" : ((JSON.parse(text) as { current?: string }).current ?? "");
}

function backendDirectory(url: string, project: string, env: ChildEnvironment): string {
  if (url === "file://~" || url.startsWith("file://~/")) return join(env["HOME"] ?? "", url.slice("file://~".length));
  const isAbsolute = url.startsWith("file:///");
  return isAbsolute
    ? fileURLToPath(url.split("?")[0] ?? "")
    : join(project, url.slice("file://".length).split("?")[0] ?? "");
}

/** Pulumi's lock: a file per run that is at work. */
async function requireUnlocked(root: string, project: string, stack: string): Promise<void> {
  const directory = join(root, "locks", "organization", project, stack);
  const exists = await access(directory).then(
    () => true,
    () => false,
  );
  if (!exists || (await readdir(directory)).length === 0) return;
  throw new UserError(`${directory}: Pulumi is at work on this stack`, "wait for it, or: pulumi cancel", EXIT.refused);
}

async function parseYaml(path: string, text: string): Promise<Record<string, unknown>> {
  // Only this command reads YAML.
  const { parse } = await import("yaml");
  try {
    const content: unknown = parse(text);
    if (typeof content === "object" && content !== null) return content as Record<string, unknown>;
  } catch {
    // the error below says all that matters
  }
  throw malformed(path, text === "" ? "it is missing or empty" : "it is not YAML as Pulumi writes it");
}

function malformed(path: string, what: string): UserError {
  return new UserError(`${path}: ${what}`, `restore it: git log -- ${path}`, EXIT.config);
}
