// The only file that touches the process: its arguments, environment, terminal and exit code.
import { readFileSync } from "node:fs";
import { EXIT, type ExitCode, UserError } from "../errors.ts";
import { isPassphraseSet, passphraseFrom, passphraseFromFile } from "../keys/passphrase.ts";
import { parseCommandLine } from "./command-line.ts";
import type { CommonOptions, Context } from "./commands/command.ts";
import { commandHelp, generalHelp } from "./commands/help.ts";
import { COMMANDS } from "./commands/registry.ts";
import { closeLeftOpen } from "./endpoint-window.ts";
import { childEnvironment, pulumiEnvironment } from "./exec.ts";
import { uninterrupted } from "./interruption.ts";
import { askSecret } from "./prompt.ts";
import { observe, openSession, type Session, type Surroundings } from "./session.ts";

const PROMPTS = 3;

async function main(): Promise<ExitCode> {
  const { command, help, options, args } = parseCommandLine(process.argv.slice(2), COMMANDS);
  if (help || command === undefined) {
    console.log(command === undefined ? generalHelp(COMMANDS) : commandHelp(command));
    return EXIT.ok;
  }
  const context = contextOf(options);
  const { text, json, exitCode } = await command.run(context, args).finally(() => context.close());
  console.log(options.json ? JSON.stringify(json) : text);
  return exitCode;
}

function contextOf(options: CommonOptions): Context & { close(): void } {
  const around: Surroundings = {
    childEnvironment: childEnvironment(process.env),
    pulumiEnvironment: pulumiEnvironment(process.env),
    log: (line) => console.error(line),
    askSecret: (question) => {
      if (process.stdin.isTTY) return askSecret(process.stdin, process.stderr, question);
      throw noTerminal();
    },
    uninterrupted: (work) => uninterrupted(process, childEnvironment(process.env), work),
  };
  const toClose: { close(): void }[] = [];
  const kept = <T extends { close(): void }>(value: T): T => {
    toClose.push(value);
    return value;
  };
  let session: Promise<Session> | undefined;
  return {
    options,
    around,
    readPassphrase: () => readPassphrase(options, around, isAsked(options)),
    observe: async () => kept(await observe(options, around)),
    openSession: async (use) => {
      const opened = await (session ??= open(options, around).then(kept));
      return use === "files" ? opened : await withoutOpenEndpoints(opened);
    },
    close: () => toClose.forEach((value) => value.close()),
  };
}

function noTerminal(): UserError {
  const hint = "run it in a terminal, or give what it asks for by a file descriptor: --help names the options";
  return new UserError("terminal: there is none to ask at", hint, EXIT.usage);
}

/** Whatever the command: what a killed run has left open is closed first. */
async function withoutOpenEndpoints(session: Session): Promise<Session> {
  try {
    await closeLeftOpen(session.tools);
  } catch (error) {
    // A Vault that does not answer is the command's to report.
    if (!(error instanceof UserError) || error.exitCode !== EXIT.unreachable) throw error;
  }
  return session;
}

async function open(options: CommonOptions, around: Surroundings): Promise<Session> {
  const asked = isAsked(options);
  for (let attempt = 1; ; attempt++) {
    const passphrase = await readPassphrase(options, around, asked);
    try {
      return await openSession(options, around, passphrase);
    } catch (error) {
      // Only a person at a terminal mistypes.
      const isMistyped = error instanceof UserError && error.exitCode === EXIT.passphrase;
      if (!asked || !isMistyped || attempt === PROMPTS) throw error;
      console.error(error.message);
    } finally {
      passphrase.fill(0);
    }
  }
}

function isAsked({ passphraseFd }: CommonOptions): boolean {
  return passphraseFd === undefined && !isPassphraseSet(process.env);
}

async function readPassphrase({ passphraseFd }: CommonOptions, around: Surroundings, asked: boolean): Promise<Buffer> {
  if (passphraseFd !== undefined) {
    const option = `--passphrase-fd ${passphraseFd}`;
    return passphraseFromFile(option, () => readFileSync(passphraseFd), "as in --passphrase-fd 3 3< FILE");
  }
  if (asked && process.stdin.isTTY) return await around.askSecret("Passphrase: ");
  return passphraseFrom(process.env, readFileSync);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof UserError) {
    console.error(`error: ${error.message}\nhint: ${error.hint}`);
    process.exitCode = error.exitCode;
  } else {
    console.error(error);
    process.exitCode = EXIT.failed;
  }
}
