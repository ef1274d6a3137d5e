import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { replaceIfDifferent } from "./files.ts";

/** The references of a repository at one moment. */
export interface Refs {
  /** content of HEAD, without the line's end */
  readonly head: string;
  /** object id by full name, `refs/heads/main` */
  readonly ids: ReadonlyMap<string, string>;
}

/** What {@link captureRefs} found. */
export interface CapturedRefs {
  readonly repositories: number;
  readonly refs: number;
}

const OBJECT_ID = /^([0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * Reads the references of a bare repository that is in use: loose ones first, then packed ones, as git itself does, so
 * that one that is being packed is seen in one place or the other. Every value was true at some moment during the
 * reading, and objects are only added after it, so a copy of the objects made later has all of them.
 *
 * @returns undefined where there is no repository (any more)
 */
export async function readRefs(directory: string): Promise<Refs | undefined> {
  const head = await readIfThere(join(directory, "HEAD"));
  if (head === undefined) return undefined;
  const loose = new Map<string, string>();
  await readLoose(directory, "refs", loose);
  const packed = parsePackedRefs((await readIfThere(join(directory, "packed-refs"))) ?? "");
  const ids = new Map([...packed, ...loose]);
  return { head: head.trim(), ids: resolveSymbolic(ids) };
}

/** The text of a packed-refs file. Unsorted and unpeeled files are valid too, but git is faster with the header. */
export function renderPackedRefs(ids: ReadonlyMap<string, string>): string {
  const lines = [...ids].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `# pack-refs with: sorted \n${lines.map(([name, id]) => `${id} ${name}\n`).join("")}`;
}

/** Reads a packed-refs file: comments and the peeled ids of tags are left out, both can be found again. */
export function parsePackedRefs(text: string): Map<string, string> {
  const ids = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [id = "", name] = line.split(" ", 2);
    if (name !== undefined && OBJECT_ID.test(id)) ids.set(line.slice(id.length + 1), id);
  }
  return ids;
}

/**
 * Writes the manifest of every repository below `root`, as `OWNER/NAME.git/{packed-refs,HEAD}`, and removes those of
 * repositories that are gone. What has not changed is not written again.
 */
export async function captureRefs(root: string, target: string): Promise<CapturedRefs> {
  const repositories = await findRepositories(root);
  let refs = 0;
  const captured = new Set<string>();
  for (const repository of repositories) {
    const found = await readRefs(join(root, repository));
    if (found === undefined) continue;
    captured.add(repository);
    refs += found.ids.size;
    await mkdir(join(target, repository), { recursive: true });
    await replaceIfDifferent(join(target, repository, "packed-refs"), renderPackedRefs(found.ids));
    await replaceIfDifferent(join(target, repository, "HEAD"), `${found.head}\n`);
  }
  for (const former of await findRepositories(target)) {
    if (!captured.has(former)) await rm(join(target, former), { recursive: true });
  }
  return { repositories: captured.size, refs };
}

/** `OWNER/NAME.git` of every repository, sorted. */
export async function findRepositories(root: string): Promise<string[]> {
  const found: string[] = [];
  for (const owner of await directories(root)) {
    for (const name of await directories(join(root, owner))) {
      if (name.endsWith(".git")) found.push(`${owner}/${name}`);
    }
  }
  return found.sort();
}

async function directories(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(absent([]));
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

async function readLoose(directory: string, name: string, into: Map<string, string>): Promise<void> {
  const entries = await readdir(join(directory, name), { withFileTypes: true }).catch(absent([]));
  for (const entry of entries) {
    const full = `${name}/${entry.name}`;
    if (entry.isDirectory()) await readLoose(directory, full, into);
    else if (!entry.name.endsWith(".lock")) {
      // Empty after a power cut: git does not know the reference either.
      const content = ((await readIfThere(join(directory, full))) ?? "").trim();
      if (OBJECT_ID.test(content) || content.startsWith("ref: ")) into.set(full, content);
    }
  }
}

/** A symbolic reference other than HEAD has no place in packed-refs; what it leads to has. */
function resolveSymbolic(ids: ReadonlyMap<string, string>): Map<string, string> {
  const resolve = (value: string, depth: number): string | undefined => {
    if (!value.startsWith("ref: ")) return value;
    const target = ids.get(value.slice("ref: ".length));
    return target === undefined || depth === 0 ? undefined : resolve(target, depth - 1);
  };
  const resolved = [...ids].map(([name, value]) => [name, resolve(value, 5)] as const);
  return new Map(resolved.filter((entry): entry is readonly [string, string] => entry[1] !== undefined));
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(absent(undefined));
}

/** For what may go away while it is being read. */
function absent<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return value;
    throw error;
  };
}

/** Puts a manifest into a restored repository, in place of whatever references its files had. */
export async function applyRefs(manifest: string, repository: string): Promise<void> {
  await rm(join(repository, "refs"), { recursive: true, force: true });
  for (const directory of ["refs/heads", "refs/tags"]) await mkdir(join(repository, directory), { recursive: true });
  for (const file of ["packed-refs", "HEAD"]) {
    await mkdir(dirname(join(repository, file)), { recursive: true });
    await replaceIfDifferent(join(repository, file), await readFile(join(manifest, file), "utf8"));
  }
}
