import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { foundationCommands, missingCommands } from "./named-commands.ts";

const root = join(import.meta.dirname, "../..");
const sources = globSync("{unseal-helper,keys}/**/*.{ts,sh}", { cwd: root }).map((path) => {
  return [path, readFileSync(join(root, path), "utf8")] as const;
});

describe("what the program tells people", () => {
  it("names only commands and options that exist", () => {
    const known = foundationCommands();
    expect(known).toContain("init");
    const missing = sources.flatMap(([path, text]) => missingCommands(text, known).map((name) => `${path}: ${name}`));
    expect(missing).toEqual([]);
  });

  it("says where something is wrong, then what", () => {
    const messages = sources.flatMap(([, text]) =>
      [...text.matchAll(/new UserError\(\s*(["`])(.*?)\1,/gs)].map(([, , message = ""]) => message),
    );
    expect(messages.length).toBeGreaterThan(50);
    // Ctrl-C is nowhere.
    expect(
      messages.filter((message) => message !== "interrupted" && !/^(\$\{\w+\.message\}|[^:]+: .)/.test(message)),
    ).toEqual([]);
  });
});
