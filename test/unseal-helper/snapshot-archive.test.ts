import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { verifySnapshot } from "../../unseal-helper/snapshot-archive.ts";
import { packSnapshot, sha256 } from "./snapshot-file.ts";

const directory = mkdtempSync(join(tmpdir(), "archive-"));
const path = join(directory, "x.snap");
afterAll(() => rmSync(directory, { recursive: true }));

describe("a snapshot file", () => {
  it("is read to its end and compared with its checksums", async () => {
    packSnapshot(path);
    const bytes = readFileSync(path);
    expect(await verifySnapshot(path)).toEqual({ bytes: bytes.length, sha256: sha256(bytes) });
  });

  it.each<[string, Record<string, string | Buffer | undefined>, string]>([
    ["that Vault did not finish", { "SHA256SUMS.sealed": undefined }, "it has no SHA256SUMS.sealed"],
    ["without its state", { "state.bin": undefined }, "it has no state.bin"],
    ["with another state", { "state.bin": Buffer.alloc(300_000, "other") }, "the checksum of state.bin does not match"],
    ["with a part that has no checksum", { SHA256SUMS: `${sha256("{}")}  meta.json\n` }, "state.bin has no checksum"],
    ["with endless checksums", { SHA256SUMS: "x".repeat(20_000) }, "SHA256SUMS is too long"],
  ])("is refused %s", async (_, change, reason) => {
    packSnapshot(path, change);
    await expect(verifySnapshot(path)).rejects.toThrow(`${path}: not a whole snapshot: ${reason}`);
  });

  it("is refused cut off at any place", async () => {
    packSnapshot(path);
    const whole = readFileSync(path);
    for (let length = 0; length < whole.length; length += Math.ceil(whole.length / 50)) {
      writeFileSync(path, whole);
      truncateSync(path, length);
      await expect(verifySnapshot(path), `${length} bytes`).rejects.toThrow("not a whole snapshot");
    }
  });

  it("is refused where it is something else", async () => {
    writeFileSync(path, "hello");
    await expect(verifySnapshot(path)).rejects.toThrow("not a whole snapshot");
    await expect(verifySnapshot(join(directory, "none"))).rejects.toThrow("not a whole snapshot: ENOENT");
  });
});
