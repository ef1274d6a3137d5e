import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { sha256 } from "../../../sandbox/content-hash.ts";
import { planBinary, provideBinary } from "../../../sandbox/parts/binaries.ts";
import { findChecksum, parseChecksums, unpack } from "../../../sandbox/parts/ready-made.ts";
import { testRig } from "../test-rig.ts";

const directory = mkdtempSync(join(tmpdir(), "parts-"));
const archive = join(directory, "vault.tar.xz");
let checksum = "";

beforeAll(() => {
  const content = mkdtempSync(join(tmpdir(), "content-"));
  mkdirSync(join(content, "bin"));
  writeFileSync(join(content, "bin", "vault"), "binary");
  execFileSync("tar", ["--create", "--xz", "--file", archive, "--directory", content, "."]);
  checksum = sha256(readFileSync(archive));
  writeFileSync(join(directory, "SHA256SUMS"), `${checksum}  vault.tar.xz\n`);
});

test("reads what sha256sum writes", () => {
  const [a, b] = ["a".repeat(64), "b".repeat(64)];
  expect([...parseChecksums(`${a}  one.tar.xz\n${b} *two.tar.xz\nnonsense\n`)]).toEqual([
    ["one.tar.xz", a],
    ["two.tar.xz", b],
  ]);
});

test("an archive without a checksum is refused, one that is not there is none", () => {
  writeFileSync(join(directory, "gitea.tar.xz"), "");
  expect(() => findChecksum(directory, "gitea.tar.xz")).toThrow(
    `${join(directory, "SHA256SUMS")}: no checksum for gitea.tar.xz`,
  );
  expect(findChecksum(directory, "versitygw.tar.xz")).toBeUndefined();
});

test("an archive that was changed is refused and leaves nothing", async () => {
  const target = join(directory, "refused");
  const attempt = unpack(testRig(), archive, "0".repeat(64), target);
  await expect(attempt).rejects.toMatchObject({ message: `${archive}: checksum differs from SHA256SUMS`, exitCode: 8 });
  expect(existsSync(target)).toBe(false);
});

test("a ready-made binary is taken from its archive, by the archive's hash", async () => {
  const rig = testRig({ FOUNDATION_PARTS_DIR: directory });
  const plan = planBinary(rig, "vault");
  expect(plan.hash).toBe(checksum.slice(0, 16));
  await provideBinary(rig, "vault", plan);
  expect(readFileSync(join(plan.directory, "bin", "vault"), "utf8")).toBe("binary");
});

test("without an archive, the recipe decides the hash", () => {
  const plan = planBinary(testRig(), "vault");
  expect(plan.readyMade).toBeUndefined();
  expect(plan.hash).not.toBe(checksum.slice(0, 16));
});
