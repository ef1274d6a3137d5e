import { readFileSync } from "node:fs";
import { EXIT, UserError } from "../errors.ts";
import { LINE_CHARACTERS } from "../keys/paper-lines.ts";
import type { Arguments, Option } from "./commands/command.ts";
import type { Surroundings } from "./session.ts";
import { checkSheetLine, type PaperShare, parsePaperShare, parsePaperShares, SHEET_LINES } from "./share-paper.ts";

/** The option of every command that takes sheets. */
export const SHARE_FD: Readonly<Record<"share-fd", Option>> = {
  "share-fd": { type: "string", value: "N", summary: "read the sheets from this file descriptor, not the terminal" },
};

const TRIES = 5;

/** Where sheets come from: the file descriptor named, else the terminal. */
export class SheetInput {
  readonly #around: Surroundings;
  readonly #read: PaperShare[] | undefined;
  #count = 0;

  /** @throws UserError (usage, passphrase) where the descriptor cannot be read or holds no sheets */
  constructor(around: Surroundings, { values }: Pick<Arguments, "values">) {
    this.#around = around;
    const fd = values["share-fd"];
    this.#read = typeof fd === "string" ? parsePaperShares(readDescriptor(fd)) : undefined;
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
      const line = await this.#askLine(what, lines.length);
      if (line.replace(/\s/g, "").length === SHEET_LINES * LINE_CHARACTERS) return parsePaperShare(what, line);
      lines.push(line);
    }
    return parsePaperShare(what, lines.join("\n"));
  }

  /** Asks for one line until it is as printed: the error is found while the eye is still on the line. */
  async #askLine(what: string, index: number): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      const typed = await this.#around.askSecret(`${what}, line ${index + 1} of ${SHEET_LINES} (not shown): `);
      const line = typed.toString();
      typed.fill(0);
      if (index === 0 && line.replace(/\s/g, "").length === SHEET_LINES * LINE_CHARACTERS) return line;
      try {
        checkSheetLine(what, line, index);
        return line;
      } catch (error) {
        if (!(error instanceof UserError) || attempt === TRIES) throw error;
        this.#around.log(error.message);
      }
    }
  }
}

function readDescriptor(fd: string): string {
  const unreadable = (reason: string): UserError =>
    new UserError(`--share-fd ${fd}: ${reason}`, "as in --share-fd 3 3< sheets.txt", EXIT.usage);
  if (!/^\d{1,4}$/.test(fd)) throw unreadable("not a number");
  try {
    return readFileSync(Number(fd), "utf8");
  } catch (error) {
    throw unreadable(`cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
