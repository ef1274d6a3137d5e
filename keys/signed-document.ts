import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { EXIT, UserError } from "../errors.ts";

/**
 * A committed JSON file in which any change is found.
 *
 * `sha256` finds damage before a passphrase is asked for; `mac` is keyed from the master key and finds what
 * somebody changed on purpose. The text has exactly one valid form, so that no byte of it is out of reach.
 */
export interface SignedDocument {
  readonly body: Readonly<Record<string, unknown>>;
  readonly mac: string;
}

/** Text of the file for a body: two-space JSON, then `mac` and `sha256`, then a newline. */
export function serialiseDocument(body: object, macKey: Buffer): string {
  const signed = { ...body, mac: mac(body, macKey) };
  return text({ ...signed, sha256: sha256(text(signed)) });
}

/**
 * Reads a file's text and checks its form and checksum.
 *
 * @param where the file's path, for the message
 * @throws UserError (keyFile) where a byte differs from what was written
 */
export function parseDocument(where: string, content: string): SignedDocument {
  const document = parseObject(where, content);
  if (text(document) !== content) throw damaged(where, "its text is not as written (edited, or line endings changed)");
  const { sha256: checksum, ...signed } = document;
  if (checksum !== sha256(text(signed))) throw damaged(where, "its checksum does not match its content");
  const { mac: code, ...body } = signed;
  if (typeof code !== "string") throw damaged(where, "it has no mac");
  return { body, mac: code };
}

/**
 * Checks the keyed MAC of a parsed file.
 *
 * @throws UserError (keyFile) where the file was not written by somebody who holds the master key
 */
export function verifyDocument(where: string, document: SignedDocument, macKey: Buffer): void {
  const expected = Buffer.from(mac(document.body, macKey));
  const actual = Buffer.from(document.mac);
  if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) {
    throw damaged(where, "its mac does not match: it was changed by somebody without the master key");
  }
}

/** The error for a file that is not what was written. */
export function damaged(where: string, what: string): UserError {
  return new UserError(
    `${where}: damaged: ${what}`,
    `restore the last good version: git log --oneline -- ${where} && git restore --source=COMMIT -- ${where}`,
    EXIT.keyFile,
  );
}

function parseObject(where: string, content: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    throw damaged(where, content.trim() === "" ? "it is empty" : "it is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw damaged(where, "it is not an object");
  return value as Record<string, unknown>;
}

function text(value: object): string {
  return JSON.stringify(value, null, 2) + "\n";
}

function sha256(content: string): string {
  return createHash("sha256").update(content).digest("hex");
}

function mac(body: object, macKey: Buffer): string {
  return createHmac("sha256", macKey).update(text(body)).digest("hex");
}
