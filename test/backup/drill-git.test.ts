import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkRepositories, PackIndex } from "../../backup/drill-git.ts";

let root: string;
let repository: string;
let first: string;
let second: string;

const environment = {
  PATH: process.env["PATH"],
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_AUTHOR_NAME: "a",
  GIT_AUTHOR_EMAIL: "a@example.org",
  GIT_COMMITTER_NAME: "a",
  GIT_COMMITTER_EMAIL: "a@example.org",
};
const git = (...args: string[]) =>
  execFileSync("git", ["-C", repository, ...args], { env: environment, encoding: "utf8" }).trim();

/** A bare repository with one packed and one loose commit. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "foundation-drill-"));
  repository = join(root, "platform", "site.git");
  mkdirSync(repository, { recursive: true });
  git("init", "--quiet", "--bare", "--initial-branch=main");
  const tree = git("mktree", "--missing");
  first = git("commit-tree", tree, "-m", "first");
  git("update-ref", "refs/heads/main", first);
  git("repack", "-adq");
  git("prune-packed");
  second = git("commit-tree", tree, "-p", first, "-m", "second");
  git("update-ref", "refs/heads/next", second);
  git("pack-refs", "--all");
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

const loose = (id: string) => join(repository, "objects", id.slice(0, 2), id.slice(2));
function onlyPack(ending: string): string {
  const directory = join(repository, "objects", "pack");
  const path = join(directory, readdirSync(directory).find((name) => name.endsWith(ending)) ?? "");
  chmodSync(path, 0o600);
  return path;
}
function flip(path: string, at: number): void {
  const content = readFileSync(path);
  content.writeUInt8(content.readUInt8(at) ^ 1, at);
  writeFileSync(path, content);
}

test("a whole repository: every reference leads to an object, packed or loose", async () => {
  expect(await checkRepositories(root)).toEqual({ compared: 1, refs: 2, problems: [] });
});

test("an object that is not in the copy is named with the reference that needs it", async () => {
  rmSync(loose(second));
  expect((await checkRepositories(root)).problems).toEqual([
    `platform/site.git: refs/heads/next: leads to ${second}, which is not there`,
  ]);
});

test("a loose object with other content", async () => {
  chmodSync(loose(second), 0o600);
  flip(loose(second), 12);
  expect((await checkRepositories(root)).problems).toEqual([
    `platform/site.git: refs/heads/next: leads to ${second}, whose content is something else`,
  ]);
});

test("one flipped bit in a pack", async () => {
  const pack = onlyPack(".pack");
  flip(pack, 20);
  const name = pack.split("/").at(-1) ?? "";
  expect((await checkRepositories(root)).problems).toEqual([
    `platform/site.git: ${name}: its content is not what its checksum says`,
    `platform/site.git: refs/heads/main: leads to ${first}, which is not there`,
  ]);
});

test("an index without its pack is worth nothing", async () => {
  const pack = onlyPack(".pack");
  rmSync(pack);
  expect((await checkRepositories(root)).problems[0]).toBe(
    `platform/site.git: ${pack.split("/").at(-1) ?? ""}: missing`,
  );
});

test("PackIndex finds what is in it and nothing else", () => {
  const index = new PackIndex(readFileSync(onlyPack(".idx")), 20);
  expect(index.has(first)).toBe(true);
  for (const id of [second, "0".repeat(40), "f".repeat(40), "ab"]) expect(index.has(id)).toBe(false);
  expect(() => new PackIndex(Buffer.alloc(2000), 20)).toThrow("not an index of version 2");
});
