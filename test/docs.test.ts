import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { foundationCommands, missingCommands } from "./unseal-helper/named-commands.ts";

const root = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** The rows of a table of a page, by column. */
function rows(path: string, section: string): Record<string, string>[] {
  const [, text = ""] = read(path).split(`## ${section}\n`);
  const lines =
    text
      .split(/\n##+ /)[0]
      ?.split("\n")
      .filter((line) => line.startsWith("|")) ?? [];
  const cells = lines.map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  const [names = [], , ...rest] = cells;
  return rest.map((row) => Object.fromEntries(row.map((cell, at) => [names[at] ?? "", cell])));
}

/** Fails unless the test that a cell names is there: its file, then its title or that of its group. */
function expectTest(proof: string): void {
  const [, path = "", title = ""] = /^`(test\/[\w./-]+\.test\.ts)`: (.+)$/.exec(proof) ?? [];
  expect(existsSync(join(root, path)) && path, proof).toBe(path);
  expect(titles(read(path))).toContain(title);
}

describe("the comparison of Vault's helper", () => {
  const features = rows("docs/vault.md", "How it compares");

  it("names a test for everything that it claims", () => {
    expect(features.length).toBeGreaterThan(15);
    const unproven = features.filter((row) => row["shown by"] === "–").map((row) => row["here"]);
    expect(unproven.filter((claim) => !claim?.startsWith("no: "))).toEqual([]);
  });

  it.each(features.filter((row) => row["shown by"] !== "–"))(
    "finds the test of: $here",
    ({ "shown by": proof = "" }) => {
      expectTest(proof);
    },
  );
});

describe("what goes wrong with backups", () => {
  const faults = rows("docs/reference.md", "What goes wrong");

  it("has a test for every fault", () => expect(faults.length).toBeGreaterThan(20));

  it.each(faults)("finds the tests of: $fault", ({ "shown by": proofs = "" }) => {
    for (const proof of proofs.split("; ")) expectTest(proof);
  });
});

describe("the documentation", () => {
  const known = foundationCommands();

  it.each(["README.md", ...globSync("docs/*.md", { cwd: root })])(
    "of %s names commands and options that exist",
    (path) => {
      expect(missingCommands(read(path), known)).toEqual([]);
    },
  );
});

/** Titles as they stand in a test's source, those of it.each with their placeholders. */
function titles(source: string): string[] {
  return [
    ...source.matchAll(/\b(?:describe|it|test)(?:\.\w+)*\(\s*"([^"]+)"/g),
    ...source.matchAll(/\]\s*(?:as const)?\)\(\s*"([^"]+)"/g),
  ].map(([, title = ""]) => title);
}
