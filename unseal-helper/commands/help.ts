import type { ExitCode } from "../../errors.ts";
import { type Command, COMMON_EXIT_STATUS } from "./command.ts";

const COMMON_OPTIONS = `  --stack NAME          stack whose files are used; may be left out where the directory has one
  --keys DIR            key directory (default keys/stacks)
  --host USER@ADDR[:PORT], --host-key "TYPE KEY"
                        the VM and its pinned host key; may be left out once ensure has recorded them
  --passphrase-fd N     read the passphrase from this file descriptor
  --json                machine-readable result on standard output
  --help`;
const PASSPHRASE =
  "The passphrase comes from --passphrase-fd, PULUMI_CONFIG_PASSPHRASE, PULUMI_CONFIG_PASSPHRASE_FILE or a prompt.";

/** Text of `--help` without a command. */
export function generalHelp(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const list = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join("\n");
  return `usage: npx foundation vault COMMAND [OPTIONS]

Initialises, opens and closes the Vault of a foundation, with nothing but this repository, ssh and the passphrase.

commands (COMMAND --help tells more)
${list}

options of every command
${COMMON_OPTIONS}

${PASSPHRASE}

exit status
${exitStatus(COMMON_EXIT_STATUS)}`;
}

/** Text of `COMMAND --help`. */
export function commandHelp(command: Command): string {
  const words = ["npx foundation vault", command.name, ...command.operands, "[OPTIONS]"];
  if (command.takesProgram) words.push("-- PROGRAM [ARGUMENT...]");
  const own = Object.entries(command.options).map(([name, { value, summary }]) => {
    return `  ${`--${name}${value === undefined ? "" : ` ${value}`}`.padEnd(20)}  ${summary}\n`;
  });
  return `usage: ${words.join(" ")}

${command.description}

options
${own.join("")}${COMMON_OPTIONS}

${PASSPHRASE}

exit status
${exitStatus({ ...COMMON_EXIT_STATUS, ...command.exitStatus })}`;
}

function exitStatus(meanings: Readonly<Partial<Record<ExitCode, string>>>): string {
  return Object.entries(meanings)
    .map(([code, meaning]) => `${code.padStart(5)}  ${meaning}`)
    .join("\n");
}
