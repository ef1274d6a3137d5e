import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { publishNames, withdrawNames, withHostsBlock } from "../../sandbox/host-names.ts";

const BLOCK = `# foundation sandbox: begin
10.87.53.10 foundation.test git.foundation.test vault.foundation.test s3.foundation.test
# foundation sandbox: end
`;

test("the block is put at the end, replaced where it is, and taken out again", () => {
  const hosts = "127.0.0.1 localhost\n";
  const first = withHostsBlock(hosts, "10.87.53.10");
  expect(first).toBe(hosts + BLOCK);
  expect(withHostsBlock(first, "10.87.53.10")).toBe(first);
  const moved = withHostsBlock(`${first}::1 ip6-localhost\n`, "10.187.53.10");
  expect(moved).toBe(`${hosts}${BLOCK.replace("10.87", "10.187")}::1 ip6-localhost\n`);
  expect(withHostsBlock(moved, undefined)).toBe(`${hosts}::1 ip6-localhost\n`);
});

test("a file without a last line end gets one before the block", () => {
  expect(withHostsBlock("127.0.0.1 localhost", "10.87.53.10")).toBe(`127.0.0.1 localhost\n${BLOCK}`);
});

test("a block whose end was lost takes nothing of the file with it but itself", () => {
  expect(withHostsBlock("127.0.0.1 localhost\n# foundation sandbox: begin\n", undefined)).toBe("127.0.0.1 localhost\n");
});

test("names are published in the file and withdrawn from it", () => {
  const file = join(mkdtempSync(join(tmpdir(), "hosts-")), "hosts");
  writeFileSync(file, "127.0.0.1 localhost\n");
  publishNames("10.87.53.10", file);
  expect(readFileSync(file, "utf8")).toBe(`127.0.0.1 localhost\n${BLOCK}`);
  withdrawNames(file);
  expect(readFileSync(file, "utf8")).toBe("127.0.0.1 localhost\n");
});
