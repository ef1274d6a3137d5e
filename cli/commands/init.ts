import { Command } from "commander";
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { relative } from "node:path";
import { EXIT, UserError } from "../../errors.ts";
import { createKeyFile } from "../../keys/keyfile.ts";
import { generatePassphrase, isPassphraseSet, passphraseFrom } from "../../keys/passphrase.ts";
import { nextSteps, passphraseNotice, recoverySheet } from "../recovery-sheet.ts";
import type { Shell } from "../shell.ts";
import { addStackOptions, keyFilePath, readStackFile, type StackOptions } from "../stack.ts";

const EXIT_STATUS = `
EXIT STATUS
  0   the key file has been created
  4   the passphrase from the environment is empty or too weak
  8   the key file exists; it is never overwritten
  64  the passphrase or the recovery sheet would go to a file or a log: say where with --passphrase-out, --recovery-out`;

interface InitOptions extends StackOptions {
  readonly passphraseOut?: string;
  readonly recoveryOut?: string;
}

/** `foundation init`: creates the one secret that everything else comes from, and contacts nothing. */
export function initCommand(shell: Shell): Command {
  return addStackOptions(new Command("init"))
    .description("create the key file of a new foundation; prints the passphrase and the recovery sheet, once")
    .option("--passphrase-out <file>", "write a generated passphrase to a new file (mode 0600) instead of the terminal")
    .option("--recovery-out <file>", "write the recovery sheet to a new file (mode 0600) instead of the terminal")
    .addHelpText("after", EXIT_STATUS)
    .action((options: InitOptions) => init(shell, options));
}

async function init(shell: Shell, options: InitOptions): Promise<void> {
  const { stack } = options;
  const configured = readStackFile(shell, options)?.["keyDirectory"];
  const path = keyFilePath(shell, stack, typeof configured === "string" ? configured : undefined);
  const shown = relative(shell.projectDirectory, path);
  if (existsSync(path)) {
    // checked before a passphrase is generated and shown; createKeyFile decides for good
    throw new UserError(
      `${shown}: this key file exists and is never overwritten`,
      "use it with its passphrase; for a second foundation: npx foundation init --stack NAME",
      EXIT.refused,
    );
  }
  const given = isPassphraseSet(shell.environment);
  requirePlace(shell, "the recovery sheet", "--recovery-out", options.recoveryOut);
  if (!given) requirePlace(shell, "the passphrase", "--passphrase-out", options.passphraseOut);

  const passphrase = given ? passphraseFrom(shell.environment, readFileSync) : Buffer.from(await generatePassphrase());
  // Kept before the key file exists: a key file whose passphrase nobody has would be in the way for ever.
  if (!given && options.passphraseOut) writePrivately(options.passphraseOut, `${passphrase.toString()}\n`);
  const files: string[] = given || !options.passphraseOut ? [] : [options.passphraseOut];
  try {
    if (options.recoveryOut) {
      writePrivately(options.recoveryOut, "");
      files.push(options.recoveryOut);
    }
    const { recoveryKey } = await createKeyFile({ path, stack, passphrase });
    const sheet = recoverySheet({ stack, keyFile: shown, date: new Date().toISOString().slice(0, 10), recoveryKey });
    if (!given && !options.passphraseOut) shell.print(passphraseNotice(passphrase.toString()));
    if (options.recoveryOut) appendTo(options.recoveryOut, sheet);
    else shell.print(sheet);
  } catch (error) {
    for (const file of files) rmSync(file, { force: true });
    throw error;
  }
  shell.notice(nextSteps({ stack, keyFile: shown, passphraseFile: given ? undefined : options.passphraseOut }));
}

function requirePlace(shell: Shell, what: string, option: string, file: string | undefined): void {
  if (file !== undefined || shell.isInteractive) return;
  throw new UserError(
    `init: standard output is not a terminal, and ${what} is shown only once`,
    `run it in a terminal, or: npx foundation init ${option} FILE`,
    EXIT.usage,
  );
}

function writePrivately(path: string, text: string): void {
  try {
    const file = openSync(path, "wx", 0o600);
    writeSync(file, text);
    closeSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(
      `init: ${path}: ${code === "EEXIST" ? "exists and is not overwritten" : `cannot be written (${code})`}`,
      "name a file that does not exist yet, in a directory that does",
      EXIT.refused,
    );
  }
}

function appendTo(path: string, text: string): void {
  const file = openSync(path, "a");
  writeSync(file, `${text}\n`);
  closeSync(file);
}
