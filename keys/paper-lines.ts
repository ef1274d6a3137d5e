import { EXIT, UserError } from "../errors.ts";

// Crockford's base32: no I, L, O, U, so that what is read from paper has one meaning.
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/** Characters of one line, without what separates them. */
export const LINE_CHARACTERS = 16;
/** Bytes of the secret that one line carries, beside two of its checksum. */
export const LINE_BYTES = 8;

/**
 * Text of a secret for a sheet of paper: numbered lines of four groups of four characters.
 *
 * Each line carries 8 bytes and a CRC-16 over its number and content, so that a typing error or a swapped line is found
 * and named.
 *
 * @param secret a multiple of 8 bytes, for at most 9 lines
 */
export function formatPaperLines(secret: Buffer): string {
  if (secret.length % LINE_BYTES !== 0 || secret.length > 9 * LINE_BYTES) throw new Error("not a number of lines");
  const lines = Array.from({ length: secret.length / LINE_BYTES }, (_, index) => {
    const data = secret.subarray(index * LINE_BYTES, (index + 1) * LINE_BYTES);
    const characters = encode(Buffer.concat([data, checksum(index, data)]));
    return `${index + 1}: ${characters.match(/.{4}/g)?.join(" ")}`;
  });
  return lines.join("\n");
}

/**
 * Reads what {@link formatPaperLines} printed. Case, spaces, hyphens, line numbers and empty lines do not matter; O
 * reads as 0, I and L as 1.
 *
 * @param what names the secret in messages
 * @throws UserError (passphrase) that names the line with the error, without repeating what was typed
 */
export function parsePaperLines(what: string, lineCount: number, typed: string): Buffer {
  const lines = typed.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (lines.length !== lineCount) throw invalid(what, `has ${lines.length} lines instead of ${lineCount}`);
  return Buffer.concat(lines.map((line, index) => parsePaperLine(what, line, index)));
}

/**
 * Reads one line.
 *
 * @param index of the line, from 0
 * @returns its 8 bytes
 * @throws UserError (passphrase)
 */
export function parsePaperLine(what: string, line: string, index: number): Buffer {
  const characters = line
    .replace(/^\s*\d\s*:/, "")
    .replace(/[\s-]/g, "")
    .toUpperCase()
    .replace(/O/g, "0")
    .replace(/[IL]/g, "1");
  const at = `line ${index + 1}`;
  if (characters.length !== LINE_CHARACTERS) {
    throw invalid(what, `${at} has ${characters.length} characters instead of ${LINE_CHARACTERS}`);
  }
  if ([...characters].some((character) => !ALPHABET.includes(character))) {
    throw invalid(what, `${at} has a character that is never used`);
  }
  const bytes = decode(characters);
  const data = bytes.subarray(0, LINE_BYTES);
  if (!checksum(index, data).equals(bytes.subarray(LINE_BYTES))) throw invalid(what, `${at} has a typing error`);
  return data;
}

function invalid(what: string, problem: string): UserError {
  return new UserError(
    `${what}: ${problem}`,
    "type the lines as printed; each stands for itself, so correct only the line named",
    EXIT.passphrase,
  );
}

/** CRC-16/CCITT-FALSE of the line's number and data. */
function checksum(index: number, data: Buffer): Buffer {
  let crc = 0xffff;
  for (const byte of [index, ...data]) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return Buffer.from([crc >> 8, crc & 0xff]);
}

// A line is 80 bits, which is a whole number of both bytes and base32 digits: no padding exists.
function encode(bytes: Buffer): string {
  let value = BigInt(`0x${bytes.toString("hex")}`);
  let characters = "";
  for (let i = 0; i < LINE_CHARACTERS; i++) {
    characters = ALPHABET.charAt(Number(value & 31n)) + characters;
    value >>= 5n;
  }
  return characters;
}

function decode(characters: string): Buffer {
  let value = 0n;
  for (const character of characters) value = (value << 5n) | BigInt(ALPHABET.indexOf(character));
  return Buffer.from(value.toString(16).padStart(20, "0"), "hex");
}
