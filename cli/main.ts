import { Command, CommanderError } from "commander";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import manifest from "../package.json" with { type: "json" };
import { EXIT, UserError } from "../errors.ts";
import { backupImageCommand } from "./commands/backup-image.ts";
import { backupCommand } from "./commands/backup.ts";
import { consumerCommand } from "./commands/consumer.ts";
import { credsCommand } from "./commands/creds.ts";
import { drCommand } from "./commands/dr.ts";
import { drillCommand } from "./commands/drill.ts";
import { initCommand } from "./commands/init.ts";
import { offsiteCommand } from "./commands/offsite.ts";
import { passthroughCommand } from "./commands/passthrough.ts";
import { preflightCommand } from "./commands/preflight.ts";
import { repositoryCommand } from "./commands/repository.ts";
import { restoreCommand } from "./commands/restore.ts";
import { reviewCommand } from "./commands/review.ts";
import { upCommand } from "./commands/up.ts";
import { verifyCommand } from "./commands/verify.ts";
import { whyCommand } from "./commands/why.ts";
import { createAccompany, createAttach, createPipe, createRun } from "./exec.ts";
import type { Shell } from "./shell.ts";

const EXIT_STATUS = `
Deploying is Pulumi's: pulumi preview, pulumi up. \`foundation up\` is that with everything around it.

EXIT STATUS
  0    done, nothing wrong
  1    a check or an operation failed
  2    it works, but there is something to do, e.g. Vault is sealed
  3    Vault has never been initialised
  4    the passphrase is missing or does not open the key file
  5    a key or share file is missing, damaged or tampered with
  6    an initialisation stopped half-way; run the same command again
  7    the VM or Vault cannot be reached, or is not the pinned one
  8    refused, because going on could destroy something that is not ours
  9    the VM is unfit
  64   wrong command line
  78   invalid configuration
  130  stopped by Ctrl-C`;

function createProgram(shell: Shell): Command {
  const vault = "look after Vault and its keys: unseal, rekey, snapshot, … (see: foundation vault --help)";
  const sandbox = "the foundation in throw-away VMs on this machine (see: foundation sandbox --help)";
  const program = new Command("foundation")
    .description("Companion of the Pulumi program: creates the key, checks the VM, proves the deployment.")
    .version(manifest.version)
    .enablePositionalOptions()
    .addHelpText("after", EXIT_STATUS)
    .addCommand(initCommand(shell))
    .addCommand(preflightCommand(shell))
    .addCommand(reviewCommand(shell))
    .addCommand(upCommand(shell))
    .addCommand(verifyCommand(shell))
    .addCommand(whyCommand(shell))
    .addCommand(credsCommand(shell))
    .addCommand(repositoryCommand(shell))
    .addCommand(consumerCommand(shell))
    .addCommand(backupCommand(shell))
    .addCommand(restoreCommand(shell))
    .addCommand(drillCommand(shell))
    .addCommand(drCommand(shell))
    .addCommand(offsiteCommand(shell))
    .addCommand(backupImageCommand(shell), { hidden: true })
    .addCommand(passthroughCommand(shell, "vault", "unseal-helper/main.ts", vault))
    .addCommand(passthroughCommand(shell, "sandbox", "sandbox/main.ts", sandbox));
  reportErrors(program, "");
  return program;
}

function reportErrors(command: Command, prefix: string): void {
  const name = `${prefix}${command.name()}`;
  command.exitOverride().showHelpAfterError(`hint: ${name} --help`);
  for (const child of command.commands) reportErrors(child, `${name} `);
}

function createShell(interrupted: AbortSignal): Shell {
  const projectDirectory = dirname(dirname(fileURLToPath(import.meta.url)));
  const node = process.execPath;
  // What Pulumi starts by the name `node` has to be this one; of Pulumi, the operator's own goes before the pinned one.
  const path = [dirname(node), process.env["PATH"] ?? "", join(projectDirectory, "node_modules", ".bin")];
  const environment = { ...process.env, PATH: path.join(delimiter) };
  const attach = createAttach(environment, interrupted, process.stdin.isTTY);
  return {
    environment,
    projectDirectory,
    isInteractive: process.stdout.isTTY,
    columns: process.stdout.columns || 100,
    run: createRun(environment, interrupted),
    attach,
    accompany: createAccompany(environment),
    pipe: createPipe(environment, interrupted),
    interrupted,
    runScript: (script, args) => attach(node, [join(projectDirectory, script), ...args]),
    print: (text) => void process.stdout.write(`${text}\n`),
    notice: (text) => void process.stderr.write(`${text}\n`),
    exitWith: (code) => {
      process.exitCode = code;
    },
  };
}

/** Shows an error and gives its exit code. A defect of the program is shown with its stack; a mistake never is. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (!(error instanceof UserError)) {
    console.error(error);
    return EXIT.failed;
  }
  const lines = (label: string, text: string) => text.replaceAll(/^/gm, `${label}: `);
  console.error(`${lines("error", error.message)}\n${lines("hint", error.hint)}`);
  return error.exitCode;
}

// The first Ctrl-C stops what is running and lets it clean up, a later one ends at once. npm passes on a signal that the
// terminal has sent as well, so what comes within a second is the same one.
const interrupt = new AbortController();
let endsAfter = Infinity;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (performance.now() > endsAfter) process.exit(128 + constants.signals[signal]);
    endsAfter = Math.min(endsAfter, performance.now() + 1000);
    interrupt.abort(signal);
  });
}
// a reader that has gone (… | head) is no defect of the program
process.stdout.on("error", () => process.exit(EXIT.failed));

try {
  await createProgram(createShell(interrupt.signal)).parseAsync(process.argv);
} catch (error) {
  process.exitCode = report(error);
}
