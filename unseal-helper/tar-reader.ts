const BLOCK = 512;

/** A file in a tar archive. */
export interface TarEntry {
  readonly name: string;
  readonly size: number;
}

/**
 * Reads a POSIX tar stream, one entry after the other, holding no more than a chunk of it.
 *
 * @param take is told each entry, and returns what takes its content
 * @throws Error for what is not a whole tar archive of plain files with short names
 */
export async function readTar(
  stream: AsyncIterable<Buffer>,
  take: (entry: TarEntry) => (chunk: Buffer) => void,
): Promise<void> {
  const source = new ByteSource(stream);
  for (;;) {
    const header = await source.read(BLOCK);
    // Two blocks of zeros end the archive; what follows is padding.
    if (header.every((byte) => byte === 0)) return await source.drain();
    const entry = parseHeader(header);
    const sink = take(entry);
    for (let left = entry.size; left > 0;) {
      const chunk = await source.readSome(left);
      sink(chunk);
      left -= chunk.length;
    }
    await source.read((BLOCK - (entry.size % BLOCK)) % BLOCK);
  }
}

function parseHeader(header: Buffer): TarEntry {
  const text = (from: number, length: number): string => {
    return header.toString("latin1", from, from + length).split("\0")[0] ?? "";
  };
  // The checksum is over the header with its own field as spaces.
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  if (sum !== parseInt(text(148, 8), 8)) throw new Error("a header is damaged");
  const [name, type, size] = [text(0, 100), text(156, 1), text(124, 12).trim()];
  if (!["", "0"].includes(type) || !/^[0-7]+$/.test(size)) throw new Error(`${name} is not a plain file`);
  return { name, size: parseInt(size, 8) };
}

/** Bytes of a stream in pieces of the wanted size. */
class ByteSource {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest = Buffer.alloc(0);

  constructor(stream: AsyncIterable<Buffer>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  async read(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = length; left > 0;) {
      const part = await this.readSome(left);
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts);
  }

  /** At least one byte, at most `limit`. */
  async readSome(limit: number): Promise<Buffer> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) throw new Error("it ends too early");
      this.#rest = Buffer.from(next.value);
    }
    const some = this.#rest.subarray(0, limit);
    this.#rest = this.#rest.subarray(some.length);
    return some;
  }

  async drain(): Promise<void> {
    while (!(await this.#chunks.next()).done);
  }
}
