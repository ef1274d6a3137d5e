import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import { formatPaperLines } from "../../keys/paper-lines.ts";
import { formatPaperShare, parsePaperShare, parsePaperShares, scanText } from "../../unseal-helper/share-paper.ts";

const epochId = "12345678-9abc-4def-8123-456789abcdef";
const share = Buffer.from(Array.from({ length: 33 }, (_, at) => at + 1));
const LINES = formatPaperShare({ epochId, index: 4, t: 3, share });
const anyShare = fc.uint8Array({ minLength: 33, maxLength: 33 }).filter((bytes) => bytes.at(-1) !== 0);

describe("a share on paper", () => {
  it("is five numbered lines", () => {
    expect(LINES.split("\n").map((line) => line.length)).toEqual([22, 22, 22, 22, 22]);
    expect(LINES.split("\n")[0]).toMatch(/^1: 04[0-9A-Z ]{17}$/);
  });

  it("reads back, as lines and as the content of its code", () => {
    const read = { epochStart: "12345678", index: 4, t: 3, share };
    expect(parsePaperShare("sheet 1", LINES)).toEqual(read);
    expect(parsePaperShare("sheet 1", scanText(LINES))).toEqual(read);
    expect(parsePaperShares(`${LINES}\n\n${scanText(LINES)}\n${LINES.toLowerCase()}`)).toEqual([read, read, read]);
    fc.assert(
      fc.property(anyShare, fc.integer({ min: 1, max: 255 }), (bytes, index) => {
        const text = formatPaperShare({ epochId, index, t: 2, share: Buffer.from(bytes) });
        expect(parsePaperShare("sheet 1", scanText(text)).share).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it("is not taken from another kind of paper", () => {
    const other = formatPaperLines(Buffer.alloc(40, 2));
    expect(() => parsePaperShare("sheet 2", other)).toThrow(
      expect.objectContaining({
        message: "sheet 2: typed correctly, but it is no share of this program's",
        exitCode: EXIT.passphrase,
      }),
    );
  });
});
