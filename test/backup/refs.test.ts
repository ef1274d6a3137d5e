import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  applyRefs,
  captureRefs,
  findRepositories,
  parsePackedRefs,
  readRefs,
  renderPackedRefs,
} from "../../backup/refs.ts";

let root: string;
let repository: string;
let commits: string[];

const environment = {
  PATH: process.env["PATH"],
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  ...{ GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@example.org" },
  ...{ GIT_COMMITTER_NAME: "a", GIT_COMMITTER_EMAIL: "a@example.org" },
};
const gitIn = (directory: string, ...args: string[]): string =>
  execFileSync("git", ["-C", directory, ...args], {
    env: environment,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  }).trim();
const git = (...args: string[]): string => gitIn(repository, ...args);

/** What git itself says that the references are. */
const listed = (directory: string): Map<string, string> =>
  new Map(
    gitIn(directory, "for-each-ref", "--format=%(refname) %(objectname)")
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split(" ") as [string, string]),
  );

function commit(message: string, ...parents: string[]): string {
  return git("commit-tree", git("mktree", "--missing"), ...parents.flatMap((parent) => ["-p", parent]), "-m", message);
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "foundation-refs-"));
  repository = join(root, "git/platform/site.git");
  mkdirSync(repository, { recursive: true });
  git("init", "--quiet", "--bare", "--initial-branch=main");
  const first = commit("first");
  commits = [first, commit("second", first), commit("third", first)];
});
afterEach(() => rmSync(root, { recursive: true }));
const id = (index: number): string => commits[index] ?? "";

async function expectSame(): Promise<void> {
  const refs = await readRefs(repository);
  expect(refs && new Map([...refs.ids].sort())).toEqual(new Map([...listed(repository)].sort()));
}

test("an empty repository has a HEAD and no references", async () => {
  expect(await readRefs(repository)).toEqual({ head: "ref: refs/heads/main", ids: new Map() });
});

test("loose and packed ones are read as git reads them, names with slashes and loose before packed", async () => {
  git("update-ref", "refs/heads/main", id(0));
  git("update-ref", "refs/heads/feature/a/b", id(0));
  git("tag", "-m", "a tag", "v1", id(0));
  git("pack-refs", "--all");
  await expectSame();
  git("update-ref", "refs/heads/main", id(1));
  git("update-ref", "refs/pull/1/head", id(2));
  await expectSame();
  git("update-ref", "-d", "refs/heads/feature/a/b");
  await expectSame();
});

test("a symbolic reference counts as what it leads to, one that leads nowhere is left out", async () => {
  git("update-ref", "refs/heads/main", id(0));
  git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/heads/main");
  git("symbolic-ref", "refs/remotes/gone/HEAD", "refs/heads/gone");
  const refs = await readRefs(repository);
  expect(Object.fromEntries(refs?.ids ?? [])).toEqual({ "refs/heads/main": id(0), "refs/remotes/origin/HEAD": id(0) });
});

test("what a power cut or a push under way leaves in refs is not a reference", async () => {
  git("update-ref", "refs/heads/main", id(0));
  writeFileSync(join(repository, "refs/heads/empty"), "");
  writeFileSync(join(repository, "refs/heads/main.lock"), `${id(1)}\n`);
  expect(Object.fromEntries((await readRefs(repository))?.ids ?? [])).toEqual({ "refs/heads/main": id(0) });
});

test("a repository that is gone is not one", async () => {
  expect(await readRefs(join(root, "git/platform/gone.git"))).toBeUndefined();
});

test("packed references are written as git sorts them and read without what can be found again", () => {
  const ids = new Map([
    ["refs/heads/z", "a".repeat(40)],
    ["refs/heads/Z", "b".repeat(40)],
    ["refs/heads/ä b", "c".repeat(64)],
  ]);
  const text = renderPackedRefs(ids);
  expect(text).toBe(
    `# pack-refs with: sorted \n${"b".repeat(40)} refs/heads/Z\n${"a".repeat(40)} refs/heads/z\n${"c".repeat(64)} refs/heads/ä b\n`,
  );
  expect(parsePackedRefs(`${text}^${"d".repeat(40)}\n`)).toEqual(new Map([...ids].sort()));
});

test("a copy of the objects made after the manifest is whole, whatever was pushed meanwhile", async () => {
  git("update-ref", "refs/heads/main", id(0));
  git("update-ref", "refs/heads/gone", id(2));
  git("pack-refs", "--all");
  git("update-ref", "refs/heads/side/x", id(2));
  const before = listed(repository);
  const manifest = join(root, "manifest");
  expect(await captureRefs(join(root, "git"), manifest)).toEqual({ repositories: 1, refs: 3 });
  const later = commit("later", id(1));
  git("update-ref", "refs/heads/main", later);
  git("update-ref", "-d", "refs/heads/gone");
  git("repack", "-adq");
  git("pack-refs", "--all");
  const copy = join(root, "copy.git");
  cpSync(repository, copy, { recursive: true, filter: (path) => !/\/(refs|packed-refs|logs)$/.test(path) });
  await applyRefs(join(manifest, "platform/site.git"), copy);
  expect(listed(copy)).toEqual(before);
  expect(gitIn(copy, "fsck", "--full", "--no-dangling")).toBe("");
  expect(readFileSync(join(copy, "HEAD"), "utf8")).toBe("ref: refs/heads/main\n");
});

test("manifests of repositories that are gone go too, those that are the same are not written again", async () => {
  git("update-ref", "refs/heads/main", id(0));
  const other = join(root, "git/platform/other.git");
  cpSync(repository, other, { recursive: true });
  mkdirSync(join(root, "git/platform/not-one"));
  const manifest = join(root, "manifest");
  await captureRefs(join(root, "git"), manifest);
  expect(await findRepositories(manifest)).toEqual(["platform/other.git", "platform/site.git"]);
  const file = join(manifest, "platform/site.git/packed-refs");
  const { ino } = statSync(file);
  rmSync(other, { recursive: true });
  await captureRefs(join(root, "git"), manifest);
  expect(await findRepositories(manifest)).toEqual(["platform/site.git"]);
  expect(statSync(file).ino).toBe(ino);
});
