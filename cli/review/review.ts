import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compareStack, type Report } from "../../review/report.ts";
import type { StackConfig } from "../../review/request.ts";
import { runOrFail } from "../exec.ts";
import type { Shell } from "../shell.ts";
import { checkOutBase } from "./base-tree.ts";
import { recordTree } from "./record-tree.ts";
import { readExample, readStack, stackNames } from "./stack-files.ts";

/**
 * Compares what the working tree would deploy with what the base would.
 *
 * @throws UserError where one of them cannot be recorded
 */
export async function review(shell: Shell, base: string): Promise<Report> {
  const scratch = mkdtempSync(join(tmpdir(), "foundation-review-"));
  try {
    const baseTree = await checkOutBase(shell, base, scratch);
    const commit = baseTree.commit.slice(0, 7);
    const [before, after] = await stacksOf(shell, baseTree.directory, `${base} (${commit})`);
    const old = { name: `${base} (${commit})`, directory: baseTree.directory, stacks: before, judge: false };
    const now = { name: "the working tree", directory: shell.projectDirectory, stacks: after, judge: true };
    const [recordedBefore, recordedAfter] = await Promise.all([
      recordTree(shell, old, scratch),
      recordTree(shell, now, scratch),
    ]);
    const names = [...new Set([...before, ...after].map(({ stack }) => stack))].toSorted();
    const stacks = names.map((name) =>
      compareStack(
        recordedBefore.find(({ stack }) => stack === name),
        recordedAfter.find(({ stack }) => stack === name),
      ),
    );
    return { base, commit, notes: baseTree.notes, stacks };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The stacks of both sides: the committed ones, or the example where neither has any. */
async function stacksOf(shell: Shell, base: string, name: string): Promise<[StackConfig[], StackConfig[]]> {
  const here = shell.projectDirectory;
  const listed = await runOrFail(shell.run, "git", "git", ["-C", here, "ls-files", "--", ":(glob)Pulumi.*.yaml"]);
  const tracked = new Set(listed.split("\n").filter((path) => path !== ""));
  const after = stackNames(here).filter((stack) => tracked.has(`Pulumi.${stack}.yaml`));
  const before = stackNames(base);
  if (before.length + after.length === 0)
    return [[readExample([base, here], name)], [readExample([here], "the working tree")]];
  const read = (directory: string, stacks: readonly string[], where: string): StackConfig[] =>
    stacks.map((stack) => readStack(directory, stack, where)).filter((config) => config !== undefined);
  return [read(base, before, name), read(here, after, "the working tree")];
}
