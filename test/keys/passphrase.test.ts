import { describe, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import {
  estimateBits,
  generatePassphrase,
  isPassphraseSet,
  passphraseFrom,
  requireStrongPassphrase,
} from "../../keys/passphrase.ts";

const noFile = (): Buffer => {
  throw Object.assign(new Error("no such file: secret"), { code: "ENOENT" });
};
const file = (content: string | Buffer) => () => Buffer.from(content as string);
const hint = "export PULUMI_CONFIG_PASSPHRASE=… or PULUMI_CONFIG_PASSPHRASE_FILE=PATH";

describe("passphraseFrom", () => {
  it.each([["plain"], [" spaces around "], ["line end\n"], ["emoji 🔑 and ünïcode"], ["x".repeat(10_000)]])(
    "takes the variable byte for byte: %j",
    (value) => {
      expect(passphraseFrom({ PULUMI_CONFIG_PASSPHRASE: value }, noFile)).toEqual(Buffer.from(value));
    },
  );

  it("takes the file without white space around it, by Go's rules", () => {
    const env = { PULUMI_CONFIG_PASSPHRASE_FILE: "/p" };
    expect(passphraseFrom(env, file("\u0085\u3000 a b\t\r\n\n")).toString()).toBe("a b");
    expect(passphraseFrom(env, file("\ufeffa")).toString()).toBe("\ufeffa");
  });

  it("prefers the variable, as Pulumi does", () => {
    const env = { PULUMI_CONFIG_PASSPHRASE: "a", PULUMI_CONFIG_PASSPHRASE_FILE: "/p" };
    expect(passphraseFrom(env, noFile).toString()).toBe("a");
  });

  it.each<[string, Record<string, string>, () => Buffer, string]>([
    ["nothing", {}, noFile, "passphrase: none given"],
    ["an empty file name", { PULUMI_CONFIG_PASSPHRASE_FILE: "" }, noFile, "passphrase: none given"],
    [
      "an empty variable, even beside a file",
      { PULUMI_CONFIG_PASSPHRASE: "", PULUMI_CONFIG_PASSPHRASE_FILE: "/p" },
      file("a"),
      "PULUMI_CONFIG_PASSPHRASE: the passphrase is empty",
    ],
    [
      "an empty file",
      { PULUMI_CONFIG_PASSPHRASE_FILE: "/p" },
      file(" \n"),
      "PULUMI_CONFIG_PASSPHRASE_FILE /p: the passphrase is empty",
    ],
    [
      "a missing file",
      { PULUMI_CONFIG_PASSPHRASE_FILE: "/p" },
      noFile,
      "PULUMI_CONFIG_PASSPHRASE_FILE /p: cannot be read (ENOENT)",
    ],
    [
      "a binary file",
      { PULUMI_CONFIG_PASSPHRASE_FILE: "/p" },
      file(Buffer.from([0xff, 0x41])),
      "PULUMI_CONFIG_PASSPHRASE_FILE /p: not UTF-8 text",
    ],
    [
      "a variable that is not UTF-8",
      { PULUMI_CONFIG_PASSPHRASE: "a\ufffd" },
      noFile,
      "PULUMI_CONFIG_PASSPHRASE: the passphrase is not UTF-8 text",
    ],
  ])("refuses %s", (_, env, readFile, message) => {
    expect(() => passphraseFrom(env, readFile)).toThrow(
      expect.objectContaining({ message, hint, exitCode: EXIT.passphrase }),
    );
  });

  it("knows whether one is set, be it empty", () => {
    expect(isPassphraseSet({})).toBe(false);
    expect(isPassphraseSet({ PULUMI_CONFIG_PASSPHRASE: "" })).toBe(true);
    expect(isPassphraseSet({ PULUMI_CONFIG_PASSPHRASE_FILE: "/p" })).toBe(true);
  });
});

describe("strength", () => {
  it("generates seven words that pass every time", async () => {
    for (let i = 0; i < 5; i++) {
      const passphrase = await generatePassphrase();
      expect(passphrase).toMatch(/^[a-z]+(-[a-z]+){6}$/);
      await requireStrongPassphrase(Buffer.from(passphrase));
    }
  });

  it.each([
    "Tr0ub4dor&3",
    "correct horse battery staple",
    "password ".repeat(8),
    "a".repeat(80),
    "wrist-penny-sixties-tidy",
  ])("refuses %j", async (weak) => {
    await expect(requireStrongPassphrase(Buffer.from(weak))).rejects.toMatchObject({
      message: `passphrase: too weak: about ${Math.floor(await estimateBits(weak))} bits, at least 77 are needed`,
      exitCode: EXIT.passphrase,
    });
  });

  it("does not count the separators of words", async () => {
    const words = "hatbox outlook clover vanish jukebox";
    expect(await estimateBits(words)).toBeLessThan(77);
    expect(await estimateBits(words)).toBeCloseTo(await estimateBits(words.replaceAll(" ", "")), 6);
  });
});
