import { Command, CommanderError } from "commander";
import { constants } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { EXIT, UserError } from "../errors.ts";
import { destroyCommand } from "./commands/destroy.ts";
import { credsCommand, verifyCommand } from "./commands/passed-on.ts";
import { startCommand, stopCommand } from "./commands/power.ts";
import { rustfsCommand } from "./commands/rustfs.ts";
import { logsCommand, sshCommand } from "./commands/shell.ts";
import { statusCommand } from "./commands/status.ts";
import { upCommand } from "./commands/up.ts";
import { createExec } from "./exec.ts";
import { findPaths } from "./paths.ts";
import { Progress } from "./progress.ts";
import type { Rig } from "./rig.ts";

const HELP = `
One machine, no cloud: the VMs are containers that run systemd and their own Docker. Everything is deployed for real.
Without a command: up.`;

function createProgram(rig: Rig): Command {
  const program = new Command("npm run sandbox --")
    .description("The whole foundation on this machine, to try out and to test.")
    .enablePositionalOptions()
    .addHelpText("after", HELP)
    .addCommand(upCommand(rig), { isDefault: true })
    .addCommand(statusCommand(rig))
    .addCommand(verifyCommand(rig))
    .addCommand(sshCommand(rig))
    .addCommand(logsCommand(rig))
    .addCommand(credsCommand(rig))
    .addCommand(stopCommand(rig))
    .addCommand(startCommand(rig))
    .addCommand(destroyCommand(rig))
    .addCommand(rustfsCommand(rig));
  for (const command of [program, ...program.commands]) command.exitOverride();
  return program;
}

function createRig(signal: AbortSignal): Rig {
  const project = dirname(dirname(fileURLToPath(import.meta.url)));
  return {
    exec: createExec(process.env, signal),
    progress: new Progress((line) => void process.stderr.write(`${line}\n`)),
    paths: findPaths(process.env, project),
    environment: process.env,
    uid: process.geteuid?.() ?? -1,
    node: process.execPath,
    print: (text) => void process.stdout.write(`${text}\n`),
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
  console.error(`error: ${error.message}\nhint: ${error.hint}`);
  return error.exitCode;
}

// The first Ctrl-C asks what is running to end, and waits for it; the second one ends at once.
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(128 + constants.signals[signal]);
    stop.abort();
  });
}
const rig = createRig(stop.signal);
try {
  await createProgram(rig).parseAsync(process.argv);
} catch (error) {
  rig.progress.silence();
  process.exitCode = report(error);
  stop.abort();
}
