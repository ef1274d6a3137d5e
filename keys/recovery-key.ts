import { formatPaperLines, parsePaperLines } from "./paper-lines.ts";

/** Lines of the printed recovery key. */
export const RECOVERY_KEY_LINES = 4;

/** Text of a 256-bit key for a sheet of paper: four numbered lines of four groups of four characters. */
export function formatRecoveryKey(key: Buffer): string {
  return formatPaperLines(key);
}

/**
 * Reads what {@link formatRecoveryKey} printed, however it is typed.
 *
 * @throws UserError (passphrase) that names the line with the error, without repeating what was typed
 */
export function parseRecoveryKey(typed: string): Buffer {
  return parsePaperLines("recovery key", RECOVERY_KEY_LINES, typed);
}
