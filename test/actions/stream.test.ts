import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { actionsStream, readActions } from "../../actions.ts";

const files = readActions();

test("each action says what it is and how it is run", () => {
  const actions = Object.entries(files).filter(([path]) => path.endsWith("/action.yml"));
  expect(actions.map(([path, text]) => [path, (parse(text) as { name: string }).name])).toEqual([
    ["cache/action.yml", "cache"],
    ["checkout/action.yml", "checkout"],
    ["download-artifact/action.yml", "download-artifact"],
    ["setup-node/action.yml", "setup-node"],
    ["upload-artifact/action.yml", "upload-artifact"],
    ["vault-secrets/action.yml", "vault-secrets"],
  ]);
});

test("the stream is text that git reads, byte for byte", () => {
  expect(actionsStream({ "say/action.yml": "name: säg\n" })).toBe(
    "commit refs/heads/say\ncommitter Foundation <foundation@noreply.invalid> 0 +0000\ndata 4\nsay\n\n" +
      "M 100644 inline action.yml\ndata 11\nname: säg\n\n\n" +
      ["v4", "v5", "v6"].map((version) => `reset refs/heads/say@${version}\nfrom refs/heads/say\n\n`).join(""),
  );
});

test("git makes of it one branch per action and version, and the same commits every time", () => {
  const commits = [1, 2].map(() => {
    const cwd = mkdtempSync(join(tmpdir(), "actions-"));
    const git = (args: string[], input?: string) => execFileSync("git", args, { cwd, input, encoding: "utf8" });
    git(["init", "--quiet", "--bare"]);
    git(["fast-import", "--quiet"], actionsStream(files));
    expect(git(["show", "checkout@v4:action.yml"])).toBe(files["checkout/action.yml"]);
    expect(git(["ls-tree", "--name-only", "cache"])).toBe("action.yml\nindex.js\n");
    return git(["for-each-ref"]);
  });
  expect(commits[0]?.split("\n")).toHaveLength(6 * 4 + 1);
  expect(commits[0]).toBe(commits[1]);
});
