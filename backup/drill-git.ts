import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { inflate } from "node:zlib";
import { findRepositories, parsePackedRefs } from "./refs.ts";

/** What was compared, and what is wrong. */
export interface Comparison {
  readonly compared: number;
  /** one line each, with the name of what is wrong */
  readonly problems: readonly string[];
}

/**
 * Whether every reference of every repository leads to an object, and every pack is what its checksum says.
 *
 * Without git, which the image of the job does not have: this finds what a copy of a repository in use gets wrong,
 * references to objects that are not in it. That the history behind them is whole is left to `git fsck`.
 *
 * @param root directory of restored repositories, with the references of the manifest
 */
export async function checkRepositories(root: string): Promise<Comparison & { readonly refs: number }> {
  const problems: string[] = [];
  const repositories = await findRepositories(root);
  let refs = 0;
  for (const repository of repositories) {
    const directory = join(root, repository);
    const ids = [...parsePackedRefs(await readFile(join(directory, "packed-refs"), "utf8"))];
    refs += ids.length;
    const packs = await openPacks(join(directory, "objects", "pack"));
    problems.push(...packs.problems.map((problem) => `${repository}: ${problem}`));
    for (const [name, id] of ids) {
      if (packs.indexes.some((index) => index.has(id))) continue;
      const problem = await checkLooseObject(directory, id);
      if (problem) problems.push(`${repository}: ${name}: ${problem}`);
    }
  }
  return { compared: repositories.length, refs, problems };
}

const FANOUT_AT = 8;
const IDS_AT = FANOUT_AT + 256 * 4;

/** Looks object ids up in the index of a pack, version 2: a table of counts by first byte, then the sorted ids. */
export class PackIndex {
  readonly #content: Buffer;
  readonly #idBytes: number;

  /** @param idBytes 20 for SHA-1, 32 for SHA-256 */
  constructor(content: Buffer, idBytes: number) {
    if (content.readUInt32BE(0) !== 0xff744f63 || content.readUInt32BE(4) !== 2)
      throw new Error("not an index of version 2");
    this.#content = content;
    this.#idBytes = idBytes;
  }

  has(id: string): boolean {
    const wanted = Buffer.from(id, "hex");
    if (wanted.length !== this.#idBytes) return false;
    const first = wanted.readUInt8(0);
    let low = first === 0 ? 0 : this.#countUpTo(first - 1);
    let high = this.#countUpTo(first);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = IDS_AT + middle * this.#idBytes;
      const order = wanted.compare(this.#content, at, at + this.#idBytes);
      if (order === 0) return true;
      if (order < 0) high = middle;
      else low = middle + 1;
    }
    return false;
  }

  /** Checksum of the pack that it belongs to, hex. */
  get packChecksum(): string {
    return this.#content.subarray(-2 * this.#idBytes, -this.#idBytes).toString("hex");
  }

  #countUpTo(byte: number): number {
    return this.#content.readUInt32BE(FANOUT_AT + 4 * byte);
  }
}

async function openPacks(directory: string): Promise<{ indexes: PackIndex[]; problems: string[] }> {
  const names = await readdir(directory).catch(() => []);
  const indexes: PackIndex[] = [];
  const problems: string[] = [];
  for (const name of names.filter((each) => each.endsWith(".idx"))) {
    const pack = name.replace(/\.idx$/, ".pack");
    // The names of packs are as long as object ids.
    const idBytes = (name.length - "pack-.idx".length) / 2;
    try {
      const index = new PackIndex(await readFile(join(directory, name)), idBytes);
      const checksum = await checksumOfPack(join(directory, pack), idBytes);
      if (checksum !== index.packChecksum) throw new Error("its checksum is not the one in its index");
      indexes.push(index);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      problems.push(`${pack}: ${code === "ENOENT" ? "missing" : message}`);
    }
  }
  return { indexes, problems };
}

/** Reads a pack to its end and compares it with the checksum it ends with. @returns that, hex */
async function checksumOfPack(path: string, idBytes: number): Promise<string> {
  const { size } = await stat(path);
  const end = size - idBytes;
  const hash = createHash(idBytes === 32 ? "sha256" : "sha1");
  for await (const chunk of createReadStream(path, { end: end - 1 }) as AsyncIterable<Buffer>) hash.update(chunk);
  const trailer = Buffer.alloc(idBytes);
  const file = await open(path);
  await file.read(trailer, 0, idBytes, end).finally(() => file.close());
  const computed = hash.digest("hex");
  if (computed !== trailer.toString("hex")) throw new Error("its content is not what its checksum says");
  return computed;
}

async function checkLooseObject(repository: string, id: string): Promise<string | undefined> {
  let content: Buffer;
  try {
    content = await readFile(join(repository, "objects", id.slice(0, 2), id.slice(2)));
  } catch {
    return `leads to ${id}, which is not there`;
  }
  const algorithm = id.length === 64 ? "sha256" : "sha1";
  const inflated = await promisify(inflate)(content).catch(() => Buffer.alloc(0));
  if (createHash(algorithm).update(inflated).digest("hex") === id) return undefined;
  return `leads to ${id}, whose content is something else`;
}
