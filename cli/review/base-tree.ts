import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { EXIT, UserError } from "../../errors.ts";
import { runOrFail } from "../exec.ts";
import type { Shell } from "../shell.ts";

/** A commit's files in a directory of their own. */
export interface BaseTree {
  /** the project's directory in it */
  readonly directory: string;
  /** full id */
  readonly commit: string;
  /** what was not as usual */
  readonly notes: readonly string[];
}

/**
 * Writes the files of the commit where HEAD left the base into a directory, and leaves no trace in the repository: no
 * worktree, no index, no reference.
 *
 * @param base anything that git takes for a commit: `main`, `origin/main`, an id
 * @param scratch an empty directory that the caller removes
 * @throws UserError (usage) where there is no such commit
 */
export async function checkOutBase(shell: Shell, base: string, scratch: string): Promise<BaseTree> {
  const git = (args: readonly string[], env = {}): Promise<string> =>
    runOrFail(shell.run, "git", "git", ["-C", shell.projectDirectory, ...args], { env });
  const { commit, notes } = await findCommit(shell, base);
  const tree = join(scratch, "base");
  mkdirSync(tree);
  const index = { GIT_INDEX_FILE: join(scratch, "index") };
  await git(["read-tree", commit], index);
  const prefix = (await git(["rev-parse", "--show-prefix"])).trim();
  // From the top: of a project in a subdirectory, only that would be written otherwise.
  const top = (await git(["rev-parse", "--show-toplevel"])).trim();
  await git(["-C", top, "checkout-index", "--all", "--quiet", `--prefix=${tree}/`], index);
  const directory = join(tree, prefix);
  symlinkSync(join(shell.projectDirectory, "node_modules"), join(directory, "node_modules"));
  const lockfile = (from: string): string => readFileSync(join(from, "package-lock.json"), "utf8");
  const isSame = lockfile(directory) === lockfile(shell.projectDirectory);
  const other = "package-lock.json differs: the base was recorded with the packages of the working tree";
  return { directory, commit, notes: isSame ? notes : [...notes, other] };
}

async function findCommit(shell: Shell, base: string): Promise<{ commit: string; notes: string[] }> {
  const git = (...args: string[]) => shell.run("git", ["-C", shell.projectDirectory, ...args]);
  const named = await git("rev-parse", "--verify", "--quiet", "--end-of-options", `${base}^{commit}`);
  if (named.exitCode !== 0) {
    throw new UserError(`review: --base ${base}: no such commit`, `git fetch; git branch --all`, EXIT.usage);
  }
  const tip = named.stdout.trim();
  const left = await git("merge-base", tip, "HEAD");
  if (left.exitCode === 0) return { commit: left.stdout.trim(), notes: [] };
  const note = `${base} and HEAD have no commit in common here; compared with ${base} as it is`;
  return { commit: tip, notes: [note] };
}
