import { randomBytes, scrypt, type ScryptOptions } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { EXIT, UserError } from "../errors.ts";
import { writeFileAtomically } from "./atomic-file.ts";
import {
  KEY_FILE_VERSION,
  type KeyFileBody,
  keyFileName,
  MASTER_KEY_BYTES,
  type ParsedKeyFile,
  parseKeyFile,
  type PassphraseSlot,
  SALT_BYTES,
  STACK_NAME,
} from "./keyfile-format.ts";
import { deriveBytes, LABELS } from "./labels.ts";
import { requireStrongPassphrase } from "./passphrase.ts";
import { formatRecoveryKey, parseRecoveryKey } from "./recovery-key.ts";
import { openSecret, sealSecret } from "./sealed-box.ts";
import { serialiseDocument, verifyDocument } from "./signed-document.ts";

// A LUKS-like file: the master key is random and never changes; each slot wraps it under something else.
// It is committed, so it holds nothing but ciphertext, and its strength is that of the passphrase.

/** scrypt N: 0.7 s and 128 MiB a guess. */
const SCRYPT_COST = 2 ** 17;

/**
 * Creates a foundation: a new master key in a new key file.
 *
 * @param path `<key directory>/<stack>.key.json`; the directory is made
 * @param scryptCost scrypt's N; only tests that open many files lower it
 * @returns the recovery key for paper; it is stored nowhere and cannot be shown again
 * @throws UserError (passphrase) for a weak passphrase; (refused) where the file exists
 */
export async function createKeyFile(args: {
  path: string;
  stack: string;
  passphrase: Buffer;
  scryptCost?: number;
}): Promise<{ recoveryKey: string }> {
  const { path, stack, passphrase, scryptCost = SCRYPT_COST } = args;
  if (!STACK_NAME.test(stack) || basename(path) !== keyFileName(stack))
    throw new Error(`${path} is not for stack ${stack}`);
  await requireStrongPassphrase(passphrase);
  const masterKey = randomBytes(MASTER_KEY_BYTES);
  const recoveryKey = randomBytes(MASTER_KEY_BYTES);
  const text = await sealKeyFile({ stack, masterKey, recoveryKey, passphrase, scryptCost });
  await createOnly(path, text);
  return { recoveryKey: formatRecoveryKey(recoveryKey) };
}

/**
 * Text of the key file of a master key that is there already.
 *
 * @param masterKey 32 bytes; everything of the foundation comes from them
 * @param scryptCost scrypt's N
 */
export async function sealKeyFile(args: {
  stack: string;
  masterKey: Buffer;
  recoveryKey: Buffer;
  passphrase: Buffer;
  scryptCost: number;
}): Promise<string> {
  const { stack, masterKey, recoveryKey, passphrase, scryptCost } = args;
  const body: KeyFileBody = {
    version: KEY_FILE_VERSION,
    stack,
    created: new Date().toISOString(),
    slots: [
      await passphraseSlot(stack, masterKey, passphrase, scryptCost),
      { slot: 1, kind: "recovery", sealed: sealSecret(recoveryKey, recoveryContext(stack), masterKey) },
    ],
  };
  return serialiseDocument(body, macKey(masterKey));
}

/**
 * The foundation master key, opened with the passphrase.
 *
 * @returns 32 bytes
 * @throws UserError (keyFile) where the file is missing or damaged; (passphrase) where the passphrase does not open it
 */
export async function openKeyFile(args: { path: string; passphrase: Buffer }): Promise<Buffer> {
  const file = await readKeyFile(args.path);
  const { stack, slots } = file.body;
  const wrappingKey = await stretch(args.passphrase, slots[0]);
  return unwrap(args.path, file, openSecret(wrappingKey, passphraseContext(stack, slots[0]), slots[0].sealed), {
    what: "the passphrase does not open this key file",
    hint: "type it again, to the letter; if it is lost: npx foundation vault passphrase reset",
  });
}

/**
 * The foundation master key, opened with the printed recovery key.
 *
 * @param recoveryKey as typed from paper
 * @throws UserError as {@link openKeyFile}; a typing error is located by line
 */
export async function openWithRecoveryKey(args: { path: string; recoveryKey: string }): Promise<Buffer> {
  const file = await readKeyFile(args.path);
  const { stack, slots } = file.body;
  const key = parseRecoveryKey(args.recoveryKey);
  return unwrap(args.path, file, openSecret(key, recoveryContext(stack), slots[1].sealed), {
    what: "the recovery key does not open this key file",
    hint: "it is typed correctly, so it was printed for another foundation: compare stack and date on the sheet",
  });
}

/**
 * Gives slot 0 a new passphrase and changes nothing else: nothing that is derived changes.
 *
 * @param masterKey as opened with the old passphrase or the recovery key
 * @throws UserError (passphrase) for a weak passphrase; (keyFile) where the file is not of this master key
 */
export async function rewrapPassphrase(args: {
  path: string;
  masterKey: Buffer;
  passphrase: Buffer;
  scryptCost?: number;
}): Promise<void> {
  const { path, masterKey, passphrase, scryptCost = SCRYPT_COST } = args;
  const { body, document } = await readKeyFile(path);
  verifyDocument(path, document, macKey(masterKey));
  await requireStrongPassphrase(passphrase);
  const slot = await passphraseSlot(body.stack, masterKey, passphrase, scryptCost);
  const rewrapped: KeyFileBody = { ...body, slots: [slot, body.slots[1]] };
  await writeFileAtomically(path, serialiseDocument(rewrapped, macKey(masterKey)), true);
}

async function createOnly(path: string, text: string): Promise<void> {
  try {
    await writeFileAtomically(path, text, false);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new UserError(
      `${path}: this key file exists and is never overwritten`,
      "use it with its passphrase; for a second foundation choose another stack name",
      EXIT.refused,
    );
  }
}

async function readKeyFile(path: string): Promise<ParsedKeyFile> {
  let content: string;
  try {
    content = await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT") throw new UserError(`${path}: cannot be read (${code})`, `ls -l ${path}`, EXIT.keyFile);
    throw new UserError(
      `${path}: no key file`,
      `a new foundation: npx foundation init; an existing one: git restore -- ${path}`,
      EXIT.keyFile,
    );
  }
  return parseKeyFile(path, content);
}

async function passphraseSlot(
  stack: string,
  masterKey: Buffer,
  passphrase: Buffer,
  cost: number,
): Promise<PassphraseSlot> {
  const slot = { slot: 0, kind: "passphrase", kdf: "scrypt", cost, salt: randomBytes(SALT_BYTES).toString("base64") };
  const unsealed = { ...slot, sealed: "" } as PassphraseSlot;
  const wrappingKey = await stretch(passphrase, unsealed);
  return { ...unsealed, sealed: sealSecret(wrappingKey, passphraseContext(stack, unsealed), masterKey) };
}

function stretch(passphrase: Buffer, slot: PassphraseSlot): Promise<Buffer> {
  const { cost, salt } = slot;
  // scrypt needs 128·N·r bytes and a little more; Node's own limit is 32 MiB.
  const options: ScryptOptions = { N: cost, r: 8, p: 1, maxmem: 128 * 8 * cost + 2 ** 20 };
  return new Promise((resolve, reject) => {
    scrypt(passphrase, Buffer.from(salt, "base64"), 32, options, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });
}

function passphraseContext(stack: string, { kdf, cost, salt }: PassphraseSlot): string {
  return JSON.stringify({ version: KEY_FILE_VERSION, stack, slot: 0, kdf, cost, salt });
}

function recoveryContext(stack: string): string {
  return JSON.stringify({ version: KEY_FILE_VERSION, stack, slot: 1 });
}

function unwrap(
  path: string,
  file: ParsedKeyFile,
  masterKey: Buffer | undefined,
  failure: { what: string; hint: string },
): Buffer {
  if (masterKey === undefined) throw new UserError(`${path}: ${failure.what}`, failure.hint, EXIT.passphrase);
  verifyDocument(path, file.document, macKey(masterKey));
  return masterKey;
}

function macKey(masterKey: Buffer): Buffer {
  return deriveBytes(masterKey, LABELS.keyFileMac, 32);
}
