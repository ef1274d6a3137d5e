import { EXIT, UserError } from "../errors.ts";

// Crockford's base32: no I, L, O, U, so that what is read from paper has one meaning.
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LINES = 4;
const DATA_BYTES = 8;
const LINE_CHARACTERS = 16;

/**
 * Text of a 256-bit key for a sheet of paper: four numbered lines of four groups of four characters.
 *
 * Each line carries 8 bytes of the key and a CRC-16 over its number and content, so that a typing error or a
 * swapped line is found and named.
 */
export function formatRecoveryKey(key: Buffer): string {
  const lines = Array.from({ length: LINES }, (_, index) => {
    const data = key.subarray(index * DATA_BYTES, (index + 1) * DATA_BYTES);
    const characters = encode(Buffer.concat([data, checksum(index, data)]));
    return `${index + 1}: ${characters.match(/.{4}/g)?.join(" ")}`;
  });
  return lines.join("\n");
}

/**
 * Reads what {@link formatRecoveryKey} printed. Case, spaces, hyphens, line numbers and empty lines do not matter;
 * O reads as 0, I and L as 1.
 *
 * @throws UserError (passphrase) that names the line with the error, without repeating what was typed
 */
export function parseRecoveryKey(typed: string): Buffer {
  const lines = typed.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (lines.length !== LINES) throw invalid(`has ${lines.length} lines instead of ${LINES}`);
  return Buffer.concat(lines.map(parseLine));
}

function parseLine(line: string, index: number): Buffer {
  const characters = line
    .replace(/^\s*\d\s*:/, "")
    .replace(/[\s-]/g, "")
    .toUpperCase()
    .replace(/O/g, "0")
    .replace(/[IL]/g, "1");
  if (characters.length !== LINE_CHARACTERS) {
    throw invalid(`line ${index + 1} has ${characters.length} characters instead of ${LINE_CHARACTERS}`);
  }
  if ([...characters].some((character) => !ALPHABET.includes(character))) {
    throw invalid(`line ${index + 1} has a character that is never used`);
  }
  const bytes = decode(characters);
  const data = bytes.subarray(0, DATA_BYTES);
  if (!checksum(index, data).equals(bytes.subarray(DATA_BYTES))) throw invalid(`line ${index + 1} has a typing error`);
  return data;
}

function invalid(what: string): UserError {
  return new UserError(
    `recovery key: ${what}`,
    "type the four lines as printed; each stands for itself, so correct only the line named",
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
