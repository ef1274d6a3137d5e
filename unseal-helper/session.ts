import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { EXIT, UserError } from "../errors.ts";
import { type AppRoleCredentials, type DerivedSecrets, deriveSecrets } from "../keys/derive.ts";
import { keyFileName } from "../keys/keyfile-format.ts";
import { openKeyFile } from "../keys/keyfile.ts";
import type { SshTarget } from "../ssh-target.ts";
import { PULUMI_ROLE } from "./bootstrap.ts";
import type { CommonOptions } from "./commands/command.ts";
import type { ChildEnvironment, Connection } from "./exec.ts";
import { unreachable } from "./host-script.ts";
import type { RunProgram } from "./interruption.ts";
import { readOptional, realEffects, shareFileEffects } from "./real-effects.ts";
import { emptyShareFile, parseShareFile, shareFileName, type ShareFileBody } from "./share-file.ts";
import { ShareStore } from "./share-store.ts";
import { sendRequest, sshAgent } from "./ssh-transport.ts";
import type { Tools } from "./unseal.ts";
import { VaultClient } from "./vault-client.ts";
import { connectToVault, VaultHost } from "./vault-host.ts";

/** What main.ts passes in from the process. */
export interface Surroundings {
  readonly childEnvironment: ChildEnvironment;
  readonly pulumiEnvironment: ChildEnvironment;
  readonly log: (line: string) => void;
  /**
   * asks at the terminal without showing what is typed
   *
   * @throws UserError (usage) where there is no terminal
   */
  readonly askSecret: (question: string) => Promise<Buffer>;
  /** lets work come to its end, although somebody wants this program to stop; it may run programs at the terminal */
  readonly uninterrupted: <T>(work: (run: RunProgram) => Promise<T>) => Promise<T>;
}

/** A Vault that may be asked, but whose share file is not opened. */
export interface Observer {
  readonly vault: VaultClient;
  readonly file: ShareFileBody;
  close(): void;
}

/** A Vault with its share file opened by the master key. */
export interface Session {
  readonly tools: Tools;
  readonly target: SshTarget;
  readonly credentials: AppRoleCredentials;
  readonly secrets: DerivedSecrets;
  /** a connection of its own to Vault's port on the VM */
  readonly openConnection: () => Connection;
  close(): void;
}

/**
 * The files of the stack that is meant: the one named, else the only one that has a key file.
 *
 * @throws UserError (usage) where that is not clear
 */
export async function findFiles(
  options: CommonOptions,
): Promise<{ stack: string; keyFile: string; shareFile: string }> {
  const stack = options.stack ?? (await onlyStack(options.keyDirectory));
  return {
    stack,
    keyFile: join(options.keyDirectory, keyFileName(stack)),
    shareFile: join(options.keyDirectory, shareFileName(stack)),
  };
}

/** Prepares to ask Vault without a passphrase: the share file is checked for damage, not for forgery. */
export async function observe(options: CommonOptions, { childEnvironment }: Surroundings): Promise<Observer> {
  const { stack, shareFile } = await findFiles(options);
  const text = await readOptional(shareFile);
  const file = text === undefined ? emptyShareFile(stack) : parseShareFile(shareFile, text).body;
  const target = targetOf(options, file.target, shareFile);
  const agent = sshAgent(
    () => connectToVault(target, childEnvironment),
    (code, stderr) => unreachable(target, code, stderr),
  );
  const vault = new VaultClient((request) => sendRequest(agent, request));
  return { vault, file, close: () => agent.destroy() };
}

/**
 * Opens both files of the stack, and prepares the connection; nothing is sent before both are found intact.
 *
 * @throws UserError (passphrase, keyFile, usage)
 */
export async function openSession(options: CommonOptions, around: Surroundings, passphrase: Buffer): Promise<Session> {
  const { stack, keyFile, shareFile } = await findFiles(options);
  const masterKey = await openKeyFile({ path: keyFile, passphrase });
  const secrets = deriveSecrets(masterKey);
  const file = shareFileEffects(shareFile);
  const store = new ShareStore(shareFile, stack, masterKey, file);
  await store.load();
  const target = targetOf(options, store.target, shareFile);
  const openConnection = (): Connection => connectToVault(target, around.childEnvironment);
  const agent = sshAgent(openConnection, (code, stderr) => unreachable(target, code, stderr));
  const script = await readFile(new URL("vault-host.sh", import.meta.url), "utf8");
  const host = new VaultHost(target, secrets.ownerId, script, around.childEnvironment);
  const effects = realEffects({ file, agent, host, log: around.log });
  const vault = new VaultClient((request) => effects.requestVault(request));
  const close = (): void => {
    agent.destroy();
    masterKey.fill(0);
  };
  const tools = { effects, vault, store };
  return { tools, target, credentials: secrets.vaultAppRole(PULUMI_ROLE), secrets, openConnection, close };
}

function targetOf(options: CommonOptions, recorded: SshTarget | null, shareFile: string): SshTarget {
  const target = options.target ?? recorded;
  if (target !== null) return target;
  throw new UserError(
    `${shareFile}: does not say where Vault runs`,
    'give --host USER@ADDR and --host-key "TYPE KEY" (ssh-keyscan -t ed25519 ADDR)',
    EXIT.usage,
  );
}

async function onlyStack(directory: string): Promise<string> {
  const suffix = keyFileName("");
  const names = await readdir(directory).catch(() => []);
  const stacks = names.filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length));
  if (stacks[0] !== undefined && stacks.length === 1) return stacks[0];
  const found = stacks.length === 0 ? "no stack" : `the stacks ${stacks.sort().join(", ")}`;
  throw new UserError(`${directory}: has ${found}`, "name one with --stack, and its directory with --keys", EXIT.usage);
}
