import { chmodSync, mkdirSync, mkdtempSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { contentHash } from "../../sandbox/content-hash.ts";

test("changes with names, content, executable bits and facts, and with nothing else", () => {
  const directory = mkdtempSync(join(tmpdir(), "hash-"));
  mkdirSync(join(directory, "below"));
  const file = join(directory, "below", "file");
  writeFileSync(file, "content");
  const seen = [contentHash([directory])];
  const again = () => seen.push(contentHash([directory]));
  writeFileSync(file, "content 2");
  again();
  chmodSync(file, 0o755);
  again();
  renameSync(file, join(directory, "file"));
  again();
  seen.push(contentHash([directory], ["fact"]));
  expect(new Set(seen).size).toBe(5);
  expect(seen[0]).toMatch(/^[0-9a-f]{16}$/);
  chmodSync(join(directory, "file"), 0o700);
  expect(contentHash([directory])).toBe(seen[3]);
});
