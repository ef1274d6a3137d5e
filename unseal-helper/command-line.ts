import { parseArgs } from "node:util";
import { EXIT, UserError } from "../errors.ts";
import type { SshTarget } from "../ssh-target.ts";

export const HELP = `usage: npx foundation vault COMMAND [OPTIONS]

Initialises, opens and closes the Vault of a foundation, with nothing but this repository, ssh and the passphrase.

commands
  status   tell the state; needs no passphrase
  ensure   initialise if it is empty, open it, give the Pulumi program its AppRole
  unseal   open it after a restart
  seal     close it (restarts the container)

options
  --stack NAME          stack whose files are used; may be left out where the directory has one
  --keys DIR            key directory (default keys/stacks)
  --host USER@ADDR[:PORT], --host-key "TYPE KEY"
                        the VM and its pinned host key; may be left out once ensure has recorded them
  --passphrase-fd N     read the passphrase from this file descriptor
  --new-epoch           ensure: give up the keys in the file, where Vault is empty
  --dry-run             say what would be done, and change nothing
  --json                machine-readable result on standard output
  --help

The passphrase comes from --passphrase-fd, PULUMI_CONFIG_PASSPHRASE, PULUMI_CONFIG_PASSPHRASE_FILE or a prompt.

exit status
  0  done; status: unsealed              6  initialisation stopped half-way: run ensure
  1  failed                              7  the VM or Vault cannot be reached
  2  sealed                              8  refused: not our Vault, or keys without their Vault
  3  never initialised                  64  wrong command line
  4  passphrase missing or wrong       130  interrupted
  5  key or share file missing, damaged or tampered with`;

const COMMANDS = ["status", "ensure", "unseal", "seal"] as const;

/** What was asked for on the command line. */
export interface CommandLine {
  readonly command: (typeof COMMANDS)[number] | "help";
  readonly stack: string | undefined;
  readonly keyDirectory: string;
  readonly target: SshTarget | undefined;
  readonly passphraseFd: number | undefined;
  readonly newEpoch: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/**
 * Parses the arguments after the program's name.
 *
 * @throws UserError (usage)
 */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const { values, positionals } = parse(argv);
  const [name, ...more] = positionals;
  const command = values.help ? "help" : COMMANDS.find((known) => known === name);
  if (command === undefined) throw usage(name === undefined ? "no command" : `unknown command ${name}`);
  if (more.length > 0) throw usage(`unexpected ${more.join(" ")}`);
  if (values["new-epoch"] && command !== "ensure") throw usage("--new-epoch is for ensure");
  return {
    command,
    stack: values.stack,
    keyDirectory: values.keys,
    target: target(values.host, values["host-key"]),
    passphraseFd: fileDescriptor(values["passphrase-fd"]),
    newEpoch: values["new-epoch"],
    dryRun: values["dry-run"],
    json: values.json,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        stack: { type: "string" },
        keys: { type: "string", default: "keys/stacks" },
        host: { type: "string" },
        "host-key": { type: "string" },
        "passphrase-fd": { type: "string" },
        "new-epoch": { type: "boolean", default: false },
        "dry-run": { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw usage((error as Error).message.split(". ")[0] ?? "");
  }
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
