import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import { formatRecoveryKey, parseRecoveryKey } from "../../keys/recovery-key.ts";

const key = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 8));
// CRCs checked against another implementation
const PRINTED = [
  "1: 0041 0610 50R3 GFEB",
  "2: 8145 0P30 D1R7 HC4N",
  "3: G249 1650 N2RB GDTP",
  "4: R34D 1P70 X3RF HEG8",
].join("\n");
const anyKey = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));

describe("the printed recovery key", () => {
  it("is four numbered lines of four groups", () => {
    expect(formatRecoveryKey(key)).toBe(PRINTED);
  });

  it("reads back, however it is typed", () => {
    const sloppy = PRINTED.toLowerCase()
      .replace(/^\d: /gm, "")
      .replaceAll(" ", "-")
      .replaceAll("0", "o")
      .replaceAll("1", "l")
      .replaceAll("\n", "\r\n\r\n");
    expect(parseRecoveryKey(sloppy)).toEqual(key);
    fc.assert(fc.property(anyKey, (any) => parseRecoveryKey(formatRecoveryKey(any)).equals(any)));
  });

  it("finds every single wrong character and names its line", () => {
    const lines = PRINTED.split("\n");
    for (const [index, line] of lines.entries()) {
      for (let at = 3; at < line.length; at++) {
        if (line[at] === " ") continue;
        const wrong = line.slice(0, at) + (line[at] === "7" ? "8" : "7") + line.slice(at + 1);
        const typed = lines.with(index, wrong).join("\n");
        expect(() => parseRecoveryKey(typed)).toThrow(`recovery key: line ${index + 1} has a typing error`);
      }
    }
  });

  it("finds lines in the wrong order", () => {
    const [first, second, ...rest] = PRINTED.replace(/^\d: /gm, "").split("\n");
    expect(() => parseRecoveryKey([second, first, ...rest].join("\n"))).toThrow("line 1 has a typing error");
  });

  it.each([
    ["one two", "recovery key: has 1 lines instead of 4"],
    [PRINTED.slice(0, -1), "recovery key: line 4 has 15 characters instead of 16"],
    [PRINTED.replace("0", "*"), "recovery key: line 1 has a character that is never used"],
  ])("refuses %j", (typed, message) => {
    expect(() => parseRecoveryKey(typed)).toThrow(expect.objectContaining({ message, exitCode: EXIT.passphrase }));
  });
});
