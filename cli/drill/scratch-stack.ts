import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseDocument } from "yaml";
import type { Drill } from "../../config.ts";
import { EXIT, UserError } from "../../errors.ts";
import type { SshTarget } from "../../ssh-target.ts";
import { keyName, sharesName } from "../backup/kit.ts";
import { lastLine } from "../exec.ts";
import type { Shell } from "../shell.ts";
import { stackFilePath, type OpenStack, type StackOptions } from "../stack.ts";
import { deployArgv } from "../up/deployer.ts";

/** A stack of its own for one drill. The real one's files are read and never written, its state is not even read. */
export interface ScratchStack {
  readonly directory: string;
  readonly configFile: string;
  /** deploys it on this machine's terminal, all output to standard error; @returns the exit code */
  deploy(): Promise<number>;
  remove(): Promise<void>;
}

/**
 * Copies a stack: configuration, key file, share file. The copy has another host and the marker that makes the program
 * read the backups as the VM does, and touch nothing else of the outside world.
 *
 * @param embedded by the sandbox's engine in place of Pulumi
 */
export async function copyStack(
  shell: Shell,
  stack: OpenStack,
  options: StackOptions,
  changes: { readonly host: SshTarget; readonly drill: Drill; readonly embedded: boolean },
): Promise<ScratchStack> {
  const directory = await mkdtemp(join(tmpdir(), "foundation-drill-"));
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    const configFile = join(directory, `Pulumi.${stack.name}.yaml`);
    const keys = join(directory, "keys");
    await mkdir(keys);
    await copyFile(stack.keyFile, join(keys, keyName(stack.name)));
    const shares = join(dirname(stack.keyFile), sharesName(stack.name));
    if (existsSync(shares)) await copyFile(shares, join(keys, sharesName(stack.name)));
    const text = scratchConfig(await readFile(stackFilePath(shell, options), "utf8"), { ...changes, keys });
    await writeFile(configFile, text, { mode: 0o600 });
    const deploy = () => deployStack(shell, { stack: stack.name, configFile }, directory, changes.embedded);
    return { directory, configFile, deploy, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** The configuration of a drill, from that of the stack; what Pulumi has encrypted in it stays as it is. */
export function scratchConfig(
  text: string,
  { host, drill, keys }: { readonly host: SshTarget; readonly drill: Drill; readonly keys: string },
): string {
  const document = parseDocument(text);
  const values = {
    host: { ...host },
    keyDirectory: keys,
    tls: { mode: "internal" },
    runner: { enabled: false },
    seed: "auto",
    drill: { ...drill },
  };
  for (const [key, value] of Object.entries(values)) document.setIn(["config", `foundation:${key}`], value);
  return document.toString({ lineWidth: 0 });
}

/** Pulumi's own output is a line log when it is told that nobody can answer. */
const PULUMI = ["--skip-preview", "--suppress-outputs", "--suppress-progress", "--non-interactive", "--color", "never"];

async function deployStack(
  shell: Shell,
  options: Required<StackOptions>,
  directory: string,
  embedded: boolean,
): Promise<number> {
  const env = { PULUMI_BACKEND_URL: `file://${join(directory, "state")}`, PULUMI_SKIP_UPDATE_CHECK: "true" };
  if (!embedded) await initialise(shell, options.stack, directory, env);
  const engine = embedded ? { embeddedState: join(directory, "state.json") } : {};
  const argv = deployArgv(shell, "up", { ...options, ...engine, yes: true }, embedded ? [] : PULUMI);
  const [program = "", ...args] = argv;
  return await shell.attach(program, args, shell.projectDirectory, { env, outputToErrors: true });
}

/** `stack init` wants the project's file beside the configuration; the secrets' salt that it finds there, it keeps. */
async function initialise(
  shell: Shell,
  stack: string,
  directory: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  await mkdir(join(directory, "state"));
  // The program is started elsewhere than this one.
  const file = shell.environment["PULUMI_CONFIG_PASSPHRASE_FILE"];
  const passphrase = file ? { PULUMI_CONFIG_PASSPHRASE_FILE: resolve(file) } : {};
  await copyFile(join(shell.projectDirectory, "Pulumi.yaml"), join(directory, "Pulumi.yaml"));
  const init = ["stack", "init", stack, "--secrets-provider", "passphrase", "--no-select", "--non-interactive"];
  const finished = await shell.run("pulumi", ["-C", directory, ...init], { env: { ...env, ...passphrase } });
  if (finished.exitCode === EXIT.ok) return;
  const reason = lastLine(finished.stderr) ?? "it gave no reason";
  throw new UserError(`drill: pulumi makes no stack for it: ${reason}`, "pulumi version", EXIT.host);
}
