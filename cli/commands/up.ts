import { Command, Option } from "commander";
import { existsSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { EXIT, UserError } from "../../errors.ts";
import { sharesName } from "../backup/kit.ts";
import { sendKit } from "../backup/kit-transfer.ts";
import { exitCodeOf, formatFinding } from "../preflight/findings.ts";
import { preflight } from "../preflight/preflight.ts";
import { requestOf } from "../preflight/request.ts";
import { readClone, type Clone, type NoClone } from "../repository/clone.ts";
import { keepDeployed } from "../repository/keep.ts";
import { offsiteWarning } from "../../offsite-warning.ts";
import type { Shell } from "../shell.ts";
import { addStackOptions, openStack, stackFilePath, type OpenStack } from "../stack.ts";
import { deploy, deployArgv, type DeployOptions } from "../up/deployer.ts";
import { holdLock } from "../up/lock.ts";

const HELP = `
\`pulumi up\` with what belongs around it; \`pulumi up\` alone works as well:
  before  the passphrase opens the key file; the VM is fit (as \`preflight\`); no backup runs, and none begins meanwhile;
          Vault is unsealed where it is sealed
  after   the rebuild kit (repository, keys, configuration, state) goes to the VM and to the offsite;
          the deployed commit goes to the foundation's own forge (as \`repository push\`)

What follows \`--\` goes to pulumi as it is: foundation up -- --target URN --diff

EXIT STATUS
  0    deployed, and the kit is in place
  1    the deployment failed; pulumi said why
  2    deployed, but something is to do: the kit could not be sent, the lock was lost, or the forge did not get the commit
  4    the passphrase is missing or does not open the key file
  5    the key file is missing or damaged
  7    the VM cannot be reached, refuses the login, or has another host key than the pinned one
  8    something on the VM is not ours, or a backup does not end
  9    the VM is unfit
  78   invalid configuration
  130  stopped by Ctrl-C; running it again goes on`;

interface UpOptions extends DeployOptions {
  readonly dryRun?: true;
  readonly remote: boolean;
}

/** `foundation up`: a deployment with everything that an operator would otherwise have to think of. */
export function upCommand(shell: Shell): Command {
  return addStackOptions(new Command("up"))
    .description("pulumi up, with checks and Vault's unsealing before it and the rebuild kit after it")
    .argument("[arguments...]", "for pulumi, after --")
    .option("-y, --yes", "deploy without asking")
    .option("--dry-run", "pulumi preview: say what would change; contacts nobody")
    .option("--no-remote", "leave the remotes of this clone alone")
    .addOption(new Option("--embedded-state <file>", "the sandbox's engine instead of Pulumi").hideHelp())
    .addHelpText("after", HELP)
    .action((rest: readonly string[], options: UpOptions) => up(shell, options, rest));
}

async function up(shell: Shell, options: UpOptions, rest: readonly string[]): Promise<void> {
  const stack = await openStack(shell, options);
  if (options.dryRun) {
    shell.exitWith(await deploy(shell, deployArgv(shell, "preview", options, rest)));
    return;
  }
  const started = performance.now();
  if (!(await prepare(shell, stack))) return;
  const isKept = stack.config.forge.repository !== "none";
  // What is deployed is what is checked out now; the deployment itself writes files, and people go on working.
  const clone = isKept ? await readClone(shell) : undefined;
  const hold = stack.config.offsite === "none" ? undefined : await holdLock(shell, stack.config.host);
  let code: number = EXIT.failed;
  let isSafe = true;
  try {
    code = await deploy(shell, deployArgv(shell, "up", options, rest));
    // Of this command, it would mean that the deployment is there.
    if (code === EXIT.attention) code = EXIT.failed;
    if (code === EXIT.ok) isSafe = await keepSafe(shell, stack, options);
  } finally {
    if ((await hold?.release()) === false) {
      shell.notice("warning: up: the backup's lock was lost meanwhile: a backup may have seen half a deployment");
      shell.notice("hint: npx foundation backup now");
      isSafe = false;
    }
  }
  if (code === EXIT.ok && clone !== undefined) isSafe = (await publish(shell, stack, clone, options)) && isSafe;
  shell.exitWith(code === EXIT.ok && !isSafe ? EXIT.attention : code);
  if (code !== EXIT.ok) return;
  shell.notice(`up: deployed in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  // The sandbox goes on by itself.
  if (options.embeddedState === undefined) await sayWhatIsNext(shell, stack, options);
}

/** @returns whether the VM is fit; what is wrong with it has been said */
async function prepare(shell: Shell, stack: OpenStack): Promise<boolean> {
  const { facts, findings } = await preflight(shell.run, requestOf(stack));
  for (const finding of findings) shell.notice(formatFinding(finding));
  const code = exitCodeOf(findings);
  shell.exitWith(code);
  if (code !== EXIT.ok) return false;
  const runsHere = !("rootless" in facts) && facts.containers.some(({ name }) => name === "vault");
  if (runsHere) await unseal(shell, stack);
  return true;
}

// The program initialises Vault, and unseals one that it has replaced; one that was sealed by a reboot it does not look at.
async function unseal(shell: Shell, { name, keyFile, config }: OpenStack): Promise<void> {
  const keys = dirname(keyFile);
  if (!existsSync(join(keys, sharesName(name)))) return;
  const { user, address, port, hostKey } = config.host;
  const target = ["--host", `${user}@${address}:${String(port)}`, "--host-key", hostKey];
  const helper = "unseal-helper/main.ts";
  const options = ["--stack", name, "--keys", keys, ...target];
  const status = await shell.run("node", [join(shell.projectDirectory, helper), "status", ...options]);
  if (status.exitCode !== EXIT.attention) return;
  shell.notice("up: Vault is sealed");
  if ((await shell.runScript(helper, ["unseal", ...options])) === EXIT.ok) return;
  shell.notice("up: Vault stays sealed; the rest is deployed all the same");
}

/** @returns false where the kit is not in place, which has been said */
async function keepSafe(shell: Shell, stack: OpenStack, options: UpOptions): Promise<boolean> {
  const warning = offsiteWarning(stack.config);
  if (warning !== undefined) shell.notice(`warning: up: ${warning}`);
  const { offsite } = stack.config;
  if (offsite === "none") return true;
  // Pulumi encrypts it in the file that this is read from.
  if ("repository" in offsite && offsite.secretAccessKey !== undefined) {
    shell.notice("warning: up: foundation:offsite.secretAccessKey stands in clear in the stack's configuration");
    shell.notice("hint: pulumi config set --path --secret foundation:offsite.secretAccessKey");
  }
  const source = { configFile: stackFilePath(shell, options) };
  const state = options.embeddedState === undefined ? {} : { stateFile: options.embeddedState };
  try {
    await sendKit(shell, stack, { ...source, ...state });
    return true;
  } catch (error) {
    return warn(shell, error);
  }
}

/** @returns false where the forge did not get what was deployed, which has been said */
async function publish(
  shell: Shell,
  stack: OpenStack,
  clone: Clone | NoClone,
  { remote }: UpOptions,
): Promise<boolean> {
  try {
    await keepDeployed(shell, stack, clone, remote);
    return true;
  } catch (error) {
    return warn(shell, error);
  }
}

/** The deployment is there, whatever went wrong afterwards. */
function warn(shell: Shell, error: unknown): false {
  if (!(error instanceof UserError) || error.exitCode === EXIT.interrupted) throw error;
  shell.notice(`warning: ${error.message}\nhint: ${error.hint}`);
  return false;
}

async function sayWhatIsNext(shell: Shell, stack: OpenStack, options: UpOptions): Promise<void> {
  const files = [stack.keyFile, join(dirname(stack.keyFile), sharesName(stack.name)), stackFilePath(shell, options)];
  const inside = files.map((file) => relative(shell.projectDirectory, file)).filter((file) => !file.startsWith(".."));
  const status = ["-C", shell.projectDirectory, "status", "--porcelain", "--", ...inside];
  // Without a path, git would tell of the whole tree.
  const stdout = inside.length === 0 ? "" : (await shell.run("git", status)).stdout;
  const changed = stdout.split("\n").flatMap((line) => (line === "" ? [] : [line.slice(3)]));
  shell.notice("next:");
  if (changed.length > 0) shell.notice(`    git add ${changed.join(" ")} && git commit -m "Deploy ${stack.name}"`);
  shell.notice(`    npx foundation verify --stack ${stack.name}`);
}
