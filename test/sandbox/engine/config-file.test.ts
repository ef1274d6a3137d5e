import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readConfigFile } from "../../../sandbox/engine/config-file.ts";

const directory = mkdtempSync(join(tmpdir(), "config-"));
const path = join(directory, "Pulumi.sandbox.yaml");
afterAll(() => {
  rmSync(directory, { recursive: true });
});

test("the map `config` of Pulumi's own file, values of any kind", () => {
  writeFileSync(path, "encryptionsalt: v1:x\nconfig:\n  foundation:domain: a.test\n  foundation:host:\n    port: 22\n");
  expect(readConfigFile(path)).toEqual({ "foundation:domain": "a.test", "foundation:host": { port: 22 } });
});

test.each([
  ["foundation:domain: a.test\n", `config ${path}: has no map \`config\``],
  ["config:\n  foundation:token:\n    secure: v1:abc\n", `config ${path}: foundation:token is encrypted`],
  ["config: [\n", `config ${path}: cannot be read: `],
])("%j is refused", (text, message) => {
  writeFileSync(path, text);
  expect(() => readConfigFile(path)).toThrow(message);
});
