import { parsePaperLine } from "../keys/paper-lines.ts";
import { RECOVERY_KEY_LINES } from "../keys/recovery-key.ts";
import type { Arguments, Option } from "./commands/command.ts";
import { readDescriptor } from "./descriptor.ts";
import { askPaperLine } from "./paper-prompt.ts";
import type { Surroundings } from "./session.ts";

const WHAT = "recovery key";

/** The option of the command that takes the recovery key. */
export const RECOVERY_FD: Readonly<Record<"recovery-fd", Option>> = {
  "recovery-fd": { type: "string", value: "N", summary: "read the recovery key, or its whole sheet, from there" },
};

/**
 * The recovery key as typed: from the descriptor, else line by line at the terminal.
 *
 * @throws UserError (passphrase) for a line that is not as printed; (usage) for a bad descriptor or no terminal
 */
export async function readRecoveryKey(
  around: Pick<Surroundings, "askSecret" | "log">,
  { "recovery-fd": fd }: Arguments["values"],
): Promise<string> {
  if (typeof fd === "string") return numberedLines(readDescriptor("--recovery-fd", fd).toString());
  const lines: string[] = [];
  while (lines.length < RECOVERY_KEY_LINES) {
    const index = lines.length;
    const question = `${WHAT}, line ${index + 1} of ${RECOVERY_KEY_LINES}`;
    lines.push(await askPaperLine(around, question, (typed) => void parsePaperLine(WHAT, typed, index)));
  }
  return lines.join("\n");
}

/** A sheet has text around the key, whose lines have numbers. */
function numberedLines(text: string): string {
  const lines = text.split(/\r?\n/).filter((line) => /^\s*\d\s*:/.test(line));
  return lines.length === 0 ? text : lines.join("\n");
}
