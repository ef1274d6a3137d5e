import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import type { Finished } from "../exec.ts";
import type { Shell } from "../shell.ts";

/** The branch that the forge's repository is about. */
export const MAIN = "main";

/** The checkout that is deployed from. */
export interface Clone {
  readonly directory: string;
  /** HEAD, all of its digits */
  readonly commit: string;
  /** what is checked out; undefined where HEAD is detached */
  readonly branch: string | undefined;
  /** whether the commit is on this clone's own `main` */
  readonly isOnMain: boolean;
  /** whether it has only the end of the history */
  readonly isShallow: boolean;
  /** how many files are not as committed, new ones included */
  readonly changedFiles: number;
}

/** Why a checkout has no commit that could be kept anywhere. */
export interface NoClone {
  readonly reason: string;
}

/**
 * Looks at the project's checkout with the operator's own git.
 *
 * @throws UserError where git refuses to look
 */
export async function readClone(shell: Shell): Promise<Clone | NoClone> {
  const directory = shell.projectDirectory;
  // Inside of another repository, git would tell of that one.
  if (!existsSync(join(directory, ".git"))) return { reason: `${directory} is no git clone` };
  const git = (...args: string[]) => shell.run("git", ["-C", directory, ...args], { env: { LC_ALL: "C" } });
  const head = await git("rev-parse", "--verify", "--quiet", "HEAD^{commit}");
  if (head.exitCode === 1) return { reason: `${directory} has no commit` };
  const [shallow, branch, onMain, status] = await Promise.all([
    git("rev-parse", "--is-shallow-repository"),
    git("symbolic-ref", "--quiet", "--short", "HEAD"),
    git("merge-base", "--is-ancestor", "HEAD", `refs/heads/${MAIN}`),
    git("status", "--porcelain"),
  ]);
  return {
    directory,
    commit: answerOf(head),
    branch: branch.exitCode === 0 ? answerOf(branch) : undefined,
    isOnMain: onMain.exitCode === 0,
    isShallow: answerOf(shallow) === "true",
    changedFiles: answerOf(status)
      .split("\n")
      .filter((line) => line !== "").length,
  };
}

function answerOf({ exitCode, stdout, stderr }: Finished): string {
  if (exitCode === 0) return stdout.trim();
  throw new UserError(
    `repository: ${stderr.split("\n", 1)[0] ?? ""}`,
    "git refuses to look into the clone: git status",
  );
}

/** As many digits of a commit as are shown. */
export const short = (commit: string): string => commit.slice(0, 8);

/** `1 commit`, `2 commits`. */
export const countOf = (count: number, what: string): string => `${String(count)} ${what}${count === 1 ? "" : "s"}`;
