import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inParallel } from "../../../backup/parallel.ts";
import type { VerifyContext } from "../../../cli/verify/context.ts";
import { must } from "../rig.ts";
import { api } from "./issues.ts";
import type { Owner, Seen } from "./load.ts";

// Fifty repositories by the real git. Here they are one bare repository, each under a name of its own, because starting
// git is most of what a small repository costs; there they are fifty.

export const REPOSITORIES = 50;
/** Every tenth repository has a large file, a second branch and a tag: each reference costs a push a process more. */
const LARGE_EVERY = 10;
const LFS_BYTES = 1024 * 1024;
const COMMITS = 3;
const FILE_BYTES = 2000;
/** Pushes at the same time: each costs the forge several processes. */
const PARALLEL = 3;
const WHO = "load <load@example.org> 1700000000 +0000";

export const nameOf = ({ name }: Owner, index: number): string => `${name}-${String(index)}`;
const indexes = (): number[] => Array.from({ length: REPOSITORIES }, (_, index) => index);
const isLarge = (index: number): boolean => index % LARGE_EVERY === 0;
const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex");

type Git = (...args: string[]) => Promise<string>;

async function openGit(context: VerifyContext, directory: string): Promise<Git> {
  await writeFile(join(directory, "ca.crt"), context.ca ?? "");
  const environment = {
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_SSL_CAINFO: join(directory, "ca.crt"),
    GIT_TERMINAL_PROMPT: "0",
  };
  return (...args) => must(["git", ...args], { environment });
}

const remoteOf = ({ sites, forge }: VerifyContext, owner: Owner, index: number): string =>
  `https://load:${owner.token}@${sites.git}/${forge.organisation}/${nameOf(owner, index)}.git`;

/** Repositories, some with another branch, a tag and a large file. @returns every object, every reference, every large file */
export async function putRepositories(context: VerifyContext, owner: Owner, directory: string): Promise<Seen> {
  const git = await openGit(context, directory);
  const all = join(directory, "put.git");
  await git("init", "--quiet", "--bare", all);
  const large = new Map<number, string>();
  for (const index of indexes().filter(isLarge)) large.set(index, await keepLarge(all, randomBytes(LFS_BYTES)));
  const stream = join(directory, "stream");
  await writeFile(stream, Buffer.concat(indexes().map((index) => repository(index, large.get(index)))));
  await must(["sh", "-c", `git -C ${all} fast-import --quiet <${stream}`]);
  const push = async (index: number): Promise<void> => {
    const remote = remoteOf(context, owner, index);
    const settings = { name: nameOf(owner, index), private: true, default_branch: "main" };
    await api(context, owner, "POST", `/orgs/${context.forge.organisation}/repos`, settings);
    const oid = large.get(index);
    if (oid !== undefined) await git("-C", all, "lfs", "push", "--object-id", remote, oid);
    const id = String(index);
    const refs = ["load/ID/*:refs/heads/*", "tags/ID/*:refs/tags/*"].map((ref) => `refs/${ref.replace("ID", id)}`);
    await git("-C", all, "push", "--quiet", remote, ...refs);
  };
  await inParallel(indexes(), push, PARALLEL);
  const files = [...large].map(([index, oid]) => [`lfs ${nameOf(owner, index)}`, oid]);
  return { ...(await contentOf(git, all)), ...(Object.fromEntries(files) as Seen) };
}

/** Everything of every repository, which git has checked, and the large files of working trees. */
export async function lookAtRepositories(context: VerifyContext, owner: Owner, directory: string): Promise<Seen> {
  const git = await openGit(context, directory);
  const all = join(directory, "seen.git");
  await git("init", "--quiet", "--bare", all);
  const remotes = indexes().flatMap((index) => [
    `[remote "${String(index)}"]`,
    `url = ${remoteOf(context, owner, index)}`,
    `fetch = +refs/heads/*:refs/load/${String(index)}/*`,
    `fetch = +refs/tags/*:refs/tags/${String(index)}/*`,
    "tagOpt = --no-tags",
  ]);
  await writeFile(join(all, "config"), `${await readFile(join(all, "config"), "utf8")}${remotes.join("\n")}\n`);
  await git("-C", all, "-c", "transfer.fsckObjects=true", "fetch", "--quiet", "--all", `--jobs=${String(PARALLEL)}`);
  await git("-C", all, "fsck", "--full", "--strict");
  const files: Record<string, string> = {};
  const filters = ["clean", "smudge"].flatMap((way) => ["-c", `filter.lfs.${way}=git-lfs ${way} -- %f`]);
  for (const index of indexes().filter(isLarge)) {
    const path = join(directory, nameOf(owner, index));
    await git(...filters, "clone", "--quiet", remoteOf(context, owner, index), path);
    files[`lfs ${nameOf(owner, index)}`] = sha256(await readFile(join(path, "large.bin")));
  }
  return { ...(await contentOf(git, all)), ...files };
}

/** Every object of a repository, and every reference. */
async function contentOf(git: Git, path: string): Promise<Seen> {
  const format = "--batch-check=object/%(objectname) %(objecttype)/%(objectsize)";
  const objects = await git("-C", path, "cat-file", "--batch-all-objects", format);
  const refs = await git("-C", path, "for-each-ref", "--format=%(refname) %(objectname)");
  const pairs = [...objects.split("\n"), ...refs.split("\n")].map((line) => line.split(" "));
  return Object.fromEntries(pairs.map(([name = "", value = ""]) => [`git ${name}`, value]));
}

/** Puts a large file where git-lfs looks for it. @returns its id */
async function keepLarge(path: string, content: Buffer): Promise<string> {
  const oid = sha256(content);
  const directory = join(path, "lfs", "objects", oid.slice(0, 2), oid.slice(2, 4));
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, oid), content);
  return oid;
}

/** A repository as `git fast-import` reads it. */
function repository(index: number, large: string | undefined): Buffer {
  const id = String(index);
  const mark = (commit: number): string => String(index * COMMITS + commit + 1);
  const parts: (string | Buffer)[] = [];
  const file = (path: string, content: string | Buffer): unknown =>
    parts.push(`M 100644 inline ${path}\ndata ${String(Buffer.byteLength(content))}\n`, content, "\n");
  for (let commit = 0; commit < COMMITS; commit++) {
    const message = `change ${String(commit)}`;
    parts.push(`commit refs/load/${id}/main\nmark :${mark(commit)}\ncommitter ${WHO}\n`);
    parts.push(`data ${String(message.length)}\n${message}\n`);
    file(`file-${String(commit)}`, randomBytes(FILE_BYTES));
    if (commit > 0 || large === undefined) continue;
    file(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    file("large.bin", `version https://git-lfs.github.com/spec/v1\noid sha256:${large}\nsize ${String(LFS_BYTES)}\n`);
  }
  if (large !== undefined) {
    parts.push(`reset refs/load/${id}/topic\nfrom :${mark(COMMITS - 2)}\n\n`);
    parts.push(`tag ${id}/v1\nfrom :${mark(COMMITS - 1)}\ntagger ${WHO}\ndata 5\nfirst\n`);
  }
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}
