import { expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import { parseRestoreLine } from "../../backup/restore-line.ts";

const newest = { kind: "newest" };

it.each([
  ["--seed auto", { kind: "seed", request: "auto" }],
  ["--only s3", { kind: "part", choice: newest, extraction: { part: "s3" }, dryRun: false }],
  [
    "--only repo a/b.c --id 0123abcd --dry-run --json",
    {
      kind: "part",
      choice: { kind: "id", id: "0123abcd" },
      extraction: { part: "repo", repository: "a/b.c" },
      dryRun: true,
    },
  ],
  [
    "--only vault --at 2026-01-31T12:00:00Z",
    {
      kind: "part",
      choice: { kind: "time", time: "2026-01-31T12:00:00.000Z" },
      extraction: { part: "vault" },
      dryRun: false,
    },
  ],
])("%s", (line, request) => expect(parseRestoreLine(line.split(" "))).toEqual(request));

it.each([
  ["", "neither --seed nor --only"],
  ["--only everything", "--only: unknown part everything"],
  ["--only repo", "repo needs OWNER/NAME"],
  ["--only repo a", "not OWNER/NAME: a"],
  ["--only repo ../x/y", "not OWNER/NAME: ../x/y"],
  ["--only s3 a/b", "unexpected a/b"],
  ["--only s3 --at 2026-01-31T12:00:00Z --id 0123abcd", "--at and --id exclude each other"],
  ["--seed auto --only s3", "--seed stands alone"],
  ["--all", "Unknown option '--all'"],
])("refuses: %s", (line, what) => {
  expect(() => parseRestoreLine(line.split(" ").filter(Boolean))).toThrow(
    expect.objectContaining({
      message: `restore: ${what}`,
      hint: "restore --seed auto|fresh|ID|TIME; restore --only forgejo|postgres|s3|vault|repo|all [OWNER/NAME] [--at TIME|--id ID] [--dry-run]",
      exitCode: EXIT.usage,
    }),
  );
});
