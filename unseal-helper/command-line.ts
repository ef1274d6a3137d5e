import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { EXIT, UserError } from "../errors.ts";
import type { SshTarget } from "../ssh-target.ts";
import type { Arguments, Command, CommonOptions } from "./commands/command.ts";

/** What was asked for on the command line. */
export interface CommandLine {
  /** `undefined` only with `help` */
  readonly command: Command | undefined;
  readonly help: boolean;
  readonly options: CommonOptions;
  readonly args: Arguments;
}

const COMMON = {
  stack: { type: "string" },
  keys: { type: "string", default: "keys/stacks" },
  host: { type: "string" },
  "host-key": { type: "string" },
  "passphrase-fd": { type: "string" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

/**
 * Parses the arguments after the program's name.
 *
 * @throws UserError (usage)
 */
export function parseCommandLine(argv: readonly string[], commands: readonly Command[]): CommandLine {
  const end = argv.indexOf("--");
  const program = end === -1 ? [] : argv.slice(end + 1);
  const { values, positionals } = parse(end === -1 ? argv : argv.slice(0, end), commands);
  const command = commands.find(({ name }) => name.split(" ").every((word, at) => positionals[at] === word));
  if (command === undefined && !(values.help && positionals.length === 0)) throw unknownCommand(positionals, commands);
  const options: CommonOptions = {
    stack: values.stack,
    keyDirectory: values.keys,
    target: target(values.host, values["host-key"]),
    passphraseFd: fileDescriptor(values["passphrase-fd"]),
    json: values.json,
  };
  const operands = positionals.slice(command?.name.split(" ").length);
  const args = { values: ownValues(values, command, commands), operands, program };
  if (command !== undefined && !values.help) checkArguments(command, args, end !== -1);
  return { command, help: values.help, options, args };
}

/** Knows the options of all commands, so that it can tell an option of another command from one of none. */
function parse(argv: readonly string[], commands: readonly Command[]) {
  const own: ParseArgsOptionsConfig = {};
  for (const { options } of commands) {
    for (const [name, { type }] of Object.entries(options)) own[name] = { type };
  }
  try {
    return parseArgs({ args: [...argv], allowPositionals: true, options: { ...own, ...COMMON } });
  } catch (error) {
    throw usage((error as Error).message.split(". ")[0] ?? "");
  }
}

function ownValues(all: object, command: Command | undefined, commands: readonly Command[]): Arguments["values"] {
  const values = Object.entries(all).filter(([name]) => !Object.hasOwn(COMMON, name));
  for (const [name] of values) {
    if (command !== undefined && Object.hasOwn(command.options, name)) continue;
    const owners = commands.filter(({ options }) => Object.hasOwn(options, name)).map((owner) => owner.name);
    throw usage(`--${name} is for ${owners.join(", ")}`);
  }
  return Object.fromEntries(values);
}

function checkArguments({ name, operands, takesProgram }: Command, args: Arguments, hasProgram: boolean): void {
  const missing = operands.slice(args.operands.length).filter((operand) => !operand.startsWith("["));
  if (missing.length > 0) throw usage(`${name} needs ${missing.join(" ")}`);
  if (args.operands.length > operands.length) {
    throw usage(`unexpected ${args.operands.slice(operands.length).join(" ")}`);
  }
  if (takesProgram && args.program.length === 0) throw usage(`${name} needs -- PROGRAM`);
  if (!takesProgram && hasProgram) throw usage(`unexpected --`);
}

function unknownCommand(positionals: readonly string[], commands: readonly Command[]): UserError {
  const [name] = positionals;
  if (name === undefined) return usage("no command");
  const longer = commands.filter((command) => command.name.startsWith(`${name} `)).map((command) => command.name);
  if (longer.length > 0) return usage(`${positionals.slice(0, 2).join(" ")}: one of ${longer.join(", ")} is needed`);
  return usage(`unknown command ${name}`);
}

function target(host: string | undefined, hostKey: string | undefined): SshTarget | undefined {
  if (host === undefined && hostKey === undefined) return undefined;
  if (host === undefined || hostKey === undefined) throw usage("--host and --host-key belong together");
  // user@address, user@address:port, user@[2001:db8::1]:port
  const match = /^([A-Za-z_][\w.-]*)@(?:\[([\dA-Fa-f:]+)\]|([A-Za-z0-9][\w.-]*))(?::(\d{1,5}))?$/.exec(host);
  const port = Number(match?.[4] ?? 22);
  if (match === null || port < 1 || port > 65535) throw usage(`--host ${host}: not USER@ADDR[:PORT]`);
  const key = hostKey.trim().split(/\s+/).slice(0, 2).join(" ");
  if (!/^[a-z0-9@.-]+ [A-Za-z0-9+/]+=*$/.test(key)) throw usage(`--host-key ${hostKey}: not "TYPE KEY"`);
  return { address: match[2] ?? match[3] ?? "", user: match[1] ?? "", port, hostKey: key };
}

function fileDescriptor(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (!/^\d{1,4}$/.test(value)) throw usage(`--passphrase-fd ${value}: not a number`);
  return Number(value);
}

function usage(what: string): UserError {
  return new UserError(`command line: ${what}`, "npx foundation vault --help", EXIT.usage);
}
