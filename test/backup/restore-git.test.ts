import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cp, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { captureRefs } from "../../backup/refs.ts";
import { restoreRefs } from "../../backup/restore-git.ts";

let directory: string;
let live: string;
let manifests: string;
let copy: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "restore-git-"));
  live = join(directory, "live");
  manifests = join(directory, "refs");
  copy = join(directory, "copy");
});
afterEach(() => rmSync(directory, { recursive: true }));

const IDENTITY = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
const git = (where: string, ...args: string[]): string =>
  execFileSync("git", ["-C", where, ...IDENTITY, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  }).trim();

function createRepository(name: string): string {
  const path = join(live, name);
  execFileSync("git", ["init", "--quiet", "--bare", "--initial-branch=main", path]);
  return path;
}

function commit(repository: string, branch: string, content: string): string {
  const blob = execFileSync("git", ["-C", repository, "hash-object", "-w", "--stdin"], { input: content })
    .toString()
    .trim();
  const tree = execFileSync("git", ["-C", repository, "mktree"], { input: `100644 blob ${blob}\tfile\n` })
    .toString()
    .trim();
  const id = git(repository, "commit-tree", "-m", content, tree);
  git(repository, "update-ref", `refs/heads/${branch}`, id);
  return id;
}

it("gives copies the references of the manifest, which git takes as its own", async () => {
  const repository = createRepository("ops/deploy.git");
  const first = commit(repository, "main", "one");
  const wiki = createRepository("ops/deploy.wiki.git");
  commit(wiki, "main", "page");
  await captureRefs(live, manifests);
  // Pushed while the copy is made, as far as its objects and the loose reference go.
  commit(repository, "main", "two");
  commit(repository, "topic", "three");
  commit(createRepository("ops/new.git"), "main", "new");
  await cp(live, copy, { recursive: true });
  const restored = join(copy, "ops/deploy.git");
  for (const lock of ["HEAD.lock", "packed-refs.lock", "gc.pid", "objects/info/commit-graphs.lock"]) {
    await mkdir(join(restored, "objects/info"), { recursive: true });
    writeFileSync(join(restored, lock), "");
  }
  const result = await restoreRefs(manifests, copy);
  expect(result).toEqual({ repositories: 2, removed: ["ops/new.git"], missing: [] });
  expect(git(restored, "for-each-ref", "--format=%(objectname) %(refname)")).toBe(`${first} refs/heads/main`);
  expect(git(restored, "symbolic-ref", "HEAD")).toBe("refs/heads/main");
  execFileSync("git", ["-C", restored, "fsck", "--full", "--strict"], { stdio: "ignore" });
  expect(["HEAD.lock", "gc.pid"].filter((name) => existsSync(join(restored, name)))).toEqual([]);
  expect(existsSync(join(copy, "ops/new.git"))).toBe(false);
  // And a push to it works.
  git(restored, "update-ref", "refs/heads/topic", first);
  expect(readFileSync(join(restored, "refs/heads/topic"), "utf8").trim()).toBe(first);
});

it("names repositories that were deleted while the backup was taken", async () => {
  commit(createRepository("ops/deploy.git"), "main", "one");
  await captureRefs(live, manifests);
  await mkdir(copy);
  expect(await restoreRefs(manifests, copy)).toEqual({ repositories: 0, removed: [], missing: ["ops/deploy.git"] });
});
