// The only file that touches the process: its arguments, environment, terminal and exit code.
import { readFileSync } from "node:fs";
import { EXIT, type ExitCode, UserError } from "../errors.ts";
import { isPassphraseSet, passphraseFrom, passphraseFromFile } from "../keys/passphrase.ts";
import { type CommandLine, HELP, parseCommandLine } from "./command-line.ts";
import { type Outcome, runCommand, runStatus } from "./commands.ts";
import { childEnvironment } from "./exec.ts";
import { askSecret } from "./prompt.ts";
import { observe, openSession, type Session, type Surroundings } from "./session.ts";

const PROMPTS = 3;

async function main(): Promise<ExitCode> {
  const options = parseCommandLine(process.argv.slice(2));
  if (options.command === "help") {
    console.log(HELP);
    return EXIT.ok;
  }
  const around: Surroundings = {
    childEnvironment: childEnvironment(process.env),
    log: (line) => console.error(line),
  };
  const { text, json, exitCode } = await run(options, around);
  console.log(options.json ? JSON.stringify(json) : text);
  return exitCode;
}

async function run(options: CommandLine, around: Surroundings): Promise<Outcome> {
  if (options.command === "status") {
    const observer = await observe(options, around);
    return await runStatus(observer).finally(() => observer.close());
  }
  const session = await open(options, around);
  return await runCommand(session, options).finally(() => session.close());
}

async function open(options: CommandLine, around: Surroundings): Promise<Session> {
  const isAsked = options.passphraseFd === undefined && !isPassphraseSet(process.env);
  for (let attempt = 1; ; attempt++) {
    const passphrase = await readPassphrase(options, isAsked);
    try {
      return await openSession(options, around, passphrase);
    } catch (error) {
      // Only a person at a terminal mistypes.
      const isMistyped = error instanceof UserError && error.exitCode === EXIT.passphrase;
      if (!isAsked || !isMistyped || attempt === PROMPTS) throw error;
      console.error(error.message);
    } finally {
      passphrase.fill(0);
    }
  }
}

async function readPassphrase({ passphraseFd }: CommandLine, isAsked: boolean): Promise<Buffer> {
  if (passphraseFd !== undefined) {
    return passphraseFromFile(`--passphrase-fd ${passphraseFd}`, () => readFileSync(passphraseFd));
  }
  if (isAsked && process.stdin.isTTY) return await askSecret(process.stdin, process.stderr, "Passphrase: ");
  return passphraseFrom(process.env, readFileSync);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof UserError) {
    console.error(`${error.message}\nhint: ${error.hint}`);
    process.exitCode = error.exitCode;
  } else {
    console.error(error);
    process.exitCode = EXIT.failed;
  }
}
