import { LINE_CHARACTERS } from "../keys/paper-lines.ts";
import type { Arguments, Option } from "./commands/command.ts";
import { readDescriptor } from "./descriptor.ts";
import { askPaperLine } from "./paper-prompt.ts";
import type { Surroundings } from "./session.ts";
import { checkSheetLine, type PaperShare, parsePaperShare, parsePaperShares, SHEET_LINES } from "./share-paper.ts";

/** The option of every command that takes sheets. */
export const SHARE_FD: Readonly<Record<"share-fd", Option>> = {
  "share-fd": { type: "string", value: "N", summary: "read the sheets from this file descriptor, not the terminal" },
};

/** Where sheets come from: the file descriptor named, else the terminal. */
export class SheetInput {
  readonly #around: Surroundings;
  readonly #read: PaperShare[] | undefined;
  #count = 0;

  /** @throws UserError (usage, passphrase) where the descriptor cannot be read or holds no sheets */
  constructor(around: Surroundings, { values }: Pick<Arguments, "values">) {
    this.#around = around;
    const fd = values["share-fd"];
    this.#read = typeof fd === "string" ? parsePaperShares(readDescriptor("--share-fd", fd).toString()) : undefined;
  }

  /**
   * The next sheet.
   *
   * @returns `undefined` where the file descriptor has no more
   * @throws UserError (passphrase) for a sheet that is not as printed; (usage) without a terminal; (interrupted)
   */
  async next(): Promise<PaperShare | undefined> {
    this.#count++;
    if (this.#read !== undefined) return this.#read.shift();
    const what = `sheet ${this.#count}`;
    const lines: string[] = [];
    while (lines.length < SHEET_LINES) {
      const index = lines.length;
      const line = await askPaperLine(this.#around, `${what}, line ${index + 1} of ${SHEET_LINES}`, (typed) => {
        if (index > 0 || !isWholeSheet(typed)) checkSheetLine(what, typed, index);
      });
      if (isWholeSheet(line)) return parsePaperShare(what, line);
      lines.push(line);
    }
    return parsePaperShare(what, lines.join("\n"));
  }
}

/** A scanned code comes in one piece where the first line is asked for. */
function isWholeSheet(typed: string): boolean {
  return typed.replace(/\s/g, "").length === SHEET_LINES * LINE_CHARACTERS;
}
