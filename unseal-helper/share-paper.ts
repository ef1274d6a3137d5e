import { EXIT, UserError } from "../errors.ts";
import { formatPaperLines, LINE_BYTES, LINE_CHARACTERS, parsePaperLine, parsePaperLines } from "../keys/paper-lines.ts";
import { SHARE_BYTES } from "./share-file.ts";

// A share on paper is 40 bytes, five lines: format (1), start of the epoch's id (4), index (1), threshold (1), share (33).
// So a sheet tells by itself which Vault it opens, also when the passphrase and the share file are lost.

const FORMAT = 1;
const EPOCH_BYTES = 4;
const HEADER_BYTES = 3 + EPOCH_BYTES;

/** Lines of one sheet. */
export const SHEET_LINES = (HEADER_BYTES + SHARE_BYTES) / LINE_BYTES;

/** One share as it stands on paper. */
export interface PaperShare {
  /** first 8 hex characters of the epoch's id */
  readonly epochStart: string;
  /** number of the sheet, 1 … */
  readonly index: number;
  /** sheets that open Vault together */
  readonly t: number;
  readonly share: Buffer;
}

/** The five lines of a sheet. */
export function formatPaperShare({ epochId, index, t, share }: Omit<PaperShare, "epochStart"> & { epochId: string }) {
  if (share.length !== SHARE_BYTES) throw new Error(`a share has ${share.length} bytes`);
  const epoch = Buffer.from(epochId.slice(0, 2 * EPOCH_BYTES), "hex");
  return formatPaperLines(Buffer.concat([Buffer.from([FORMAT]), epoch, Buffer.from([index, t]), share]));
}

/** What the QR code of a sheet holds: the lines without numbers and spaces, which parsePaperShare reads as well. */
export function scanText(lines: string): string {
  return lines.replace(/^\d: /gm, "").replace(/\s/g, "");
}

/**
 * Reads the five lines of a sheet, or the content of its QR code.
 *
 * @param what names the sheet in messages
 * @throws UserError (passphrase) that names the line with the typing error
 */
export function parsePaperShare(what: string, typed: string): PaperShare {
  const scanned = typed.trim();
  const text =
    scanned.length === SHEET_LINES * LINE_CHARACTERS && !/\s/.test(scanned)
      ? (scanned.match(new RegExp(`.{${LINE_CHARACTERS}}`, "g")) ?? []).join("\n")
      : typed;
  const bytes = parsePaperLines(what, SHEET_LINES, text);
  const epochStart = bytes.subarray(1, 1 + EPOCH_BYTES).toString("hex");
  const [index, t] = [bytes.readUInt8(HEADER_BYTES - 2), bytes.readUInt8(HEADER_BYTES - 1)];
  const share = bytes.subarray(HEADER_BYTES);
  if (bytes[0] !== FORMAT || index === 0 || t < 2 || share.at(-1) === 0) {
    throw new UserError(
      `${what}: typed correctly, but it is no share of this program's`,
      "was it printed by `npx foundation vault shares print`?",
      EXIT.passphrase,
    );
  }
  return { epochStart, index, t, share };
}

/**
 * Checks one line as soon as it is typed.
 *
 * @throws UserError (passphrase)
 */
export function checkSheetLine(what: string, line: string, index: number): void {
  parsePaperLine(what, line, index);
}

/**
 * Splits a text with several sheets: each is five lines or one scanned code.
 *
 * @throws UserError (passphrase)
 */
export function parsePaperShares(text: string): PaperShare[] {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  const sheets: string[] = [];
  while (lines.length > 0) {
    const isCode = (lines[0] ?? "").replace(/[\s-]/g, "").length === SHEET_LINES * LINE_CHARACTERS;
    sheets.push(lines.splice(0, isCode ? 1 : SHEET_LINES).join("\n"));
  }
  return sheets.map((sheet, at) => parsePaperShare(`sheet ${at + 1}`, sheet));
}
