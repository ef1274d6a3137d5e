import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import { deriveSecrets } from "../../keys/derive.ts";
import { createKeyFile, openKeyFile, openWithRecoveryKey, rewrapPassphrase } from "../../keys/keyfile.ts";
import { KEY_FILE, PASSPHRASE, RECOVERY_KEY } from "./fixture.ts";

const passphrase = Buffer.from("hatbox-outlook-clover-vanish-jukebox-ripple-oversleep");
const other = Buffer.from("stegosaur-untidy-mocker-prewashed-canopener-blurt-dose");
const directory = mkdtempSync(join(tmpdir(), "keyfile-"));
const path = join(directory, "prod.key.json");
// 2 instead of 2^17, for files that are opened hundreds of times
const cheap = { scryptCost: 2 };
let recoveryKey: string;
let masterKey: Buffer;

beforeAll(async () => {
  ({ recoveryKey } = await createKeyFile({ path, stack: "prod", passphrase, ...cheap }));
  masterKey = await openKeyFile({ path, passphrase });
});
afterAll(() => rmSync(directory, { recursive: true }));

describe("key file", () => {
  it("opens with the passphrase and with the recovery key, at the real cost", async () => {
    const real = join(directory, "real.key.json");
    const created = await createKeyFile({ path: real, stack: "real", passphrase });
    expect(readFileSync(real, "utf8")).toContain('"cost": 131072,');
    const opened = await openKeyFile({ path: real, passphrase });
    expect(opened).toHaveLength(32);
    expect(await openWithRecoveryKey({ path: real, recoveryKey: created.recoveryKey })).toEqual(opened);
  });

  it("of version 1 opens for ever, with either key", async () => {
    const opened = await openKeyFile({ path: KEY_FILE, passphrase: Buffer.from(PASSPHRASE) });
    expect(await openWithRecoveryKey({ path: KEY_FILE, recoveryKey: RECOVERY_KEY })).toEqual(opened);
    expect(deriveSecrets(opened).ownerId).toBe("33576c821abbe88c");
  });

  it("holds none of its secrets in clear", () => {
    const text = readFileSync(path, "utf8");
    for (const encoding of ["hex", "base64", "base64url"] as const)
      expect(text).not.toContain(masterKey.toString(encoding));
    expect(text).not.toContain(passphrase.toString());
    expect(text).not.toContain(recoveryKey.slice(3, 12));
  });

  it("is never overwritten and leaves no temporary file", async () => {
    const before = readFileSync(path);
    await expect(createKeyFile({ path, stack: "prod", passphrase, ...cheap })).rejects.toMatchObject({
      message: `${path}: this key file exists and is never overwritten`,
      exitCode: EXIT.refused,
    });
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(directory).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("says what to do where it is missing", async () => {
    const missing = join(directory, "none.key.json");
    await expect(openKeyFile({ path: missing, passphrase })).rejects.toMatchObject({
      message: `${missing}: no key file`,
      hint: `a new foundation: npx foundation init; an existing one: git restore -- ${missing}`,
      exitCode: EXIT.keyFile,
    });
  });

  it("tells a wrong passphrase from a damaged file", async () => {
    await expect(openKeyFile({ path, passphrase: other })).rejects.toMatchObject({
      message: `${path}: the passphrase does not open this key file`,
      hint: "type it again, to the letter; if it is lost: npx foundation vault passphrase reset",
      exitCode: EXIT.passphrase,
    });
    await expect(openKeyFile({ path, passphrase: Buffer.concat([passphrase, Buffer.from("\n")]) })).rejects.toThrow(
      "does not open",
    );
  });

  it("refuses the recovery key of another foundation", async () => {
    const another = join(directory, "another.key.json");
    const made = await createKeyFile({ path: another, stack: "another", passphrase, ...cheap });
    await expect(openWithRecoveryKey({ path, recoveryKey: made.recoveryKey })).rejects.toMatchObject({
      message: `${path}: the recovery key does not open this key file`,
      exitCode: EXIT.passphrase,
    });
  });

  it("refuses a weak passphrase before it writes anything", async () => {
    const weak = join(directory, "weak.key.json");
    await expect(
      createKeyFile({ path: weak, stack: "weak", passphrase: Buffer.from("Tr0ub4dor&3"), ...cheap }),
    ).rejects.toMatchObject({ exitCode: EXIT.passphrase });
    expect(readdirSync(directory)).not.toContain("weak.key.json");
  });
});

describe("rewrapping", () => {
  it("changes the passphrase and nothing else", async () => {
    const copy = join(directory, "rewrap.key.json");
    const made = await createKeyFile({ path: copy, stack: "rewrap", passphrase, ...cheap });
    const key = await openKeyFile({ path: copy, passphrase });
    await rewrapPassphrase({ path: copy, masterKey: key, passphrase: other, ...cheap });
    expect(await openKeyFile({ path: copy, passphrase: other })).toEqual(key);
    expect(await openWithRecoveryKey({ path: copy, recoveryKey: made.recoveryKey })).toEqual(key);
    await expect(openKeyFile({ path: copy, passphrase })).rejects.toThrow("does not open");
    await expect(rewrapPassphrase({ path: copy, masterKey, passphrase: other, ...cheap })).rejects.toMatchObject({
      exitCode: EXIT.keyFile,
    });
  });
});

describe("tampering", () => {
  it("is found in every byte of the file", async () => {
    const intact = readFileSync(path);
    const copy = join(mkdtempSync(join(directory, "tamper-")), "prod.key.json");
    for (let at = 0; at < intact.length; at++) {
      const flipped = Buffer.from(intact);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      writeFileSync(copy, flipped);
      await expect(openKeyFile({ path: copy, passphrase }), `byte ${at}`).rejects.toMatchObject({
        exitCode: EXIT.keyFile,
      });
    }
  });

  it.each<[string, (text: string) => string, string]>([
    ["empty file", () => "", "it is empty"],
    ["half a file", (text) => text.slice(0, 300), "it is not JSON"],
    ["a list", () => "[]\n", "it is not an object"],
    ["CRLF", (text) => text.replaceAll("\n", "\r\n"), "its text is not as written (edited, or line endings changed)"],
    [
      "another date",
      (text) => text.replace(/"created": "\d/, '"created": "9'),
      "its checksum does not match its content",
    ],
  ])("%s: is named", async (_, change, what) => {
    const copy = join(mkdtempSync(join(directory, "damage-")), "prod.key.json");
    writeFileSync(copy, change(readFileSync(path, "utf8")));
    await expect(openKeyFile({ path: copy, passphrase })).rejects.toMatchObject({
      message: `${copy}: damaged: ${what}`,
      hint: `restore the last good version: git log --oneline -- ${copy} && git restore --source=COMMIT -- ${copy}`,
      exitCode: EXIT.keyFile,
    });
  });

  it("is found when the file is that of another stack", async () => {
    const copy = join(directory, "test.key.json");
    writeFileSync(copy, readFileSync(path));
    await expect(openKeyFile({ path: copy, passphrase })).rejects.toThrow(`${copy}: damaged: it belongs to stack prod`);
  });
});
