import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { UserError } from "../errors.ts";
import { readTar } from "./tar-reader.ts";

// A raft snapshot is a gzipped tar of meta.json, state.bin and SHA256SUMS, and last SHA256SUMS.sealed, which only Vault
// can open. A snapshot that Vault could not finish lacks the last one and is answered with status 200 all the same.
const SUMS = "SHA256SUMS";
const PARTS = ["meta.json", "state.bin", SUMS, "SHA256SUMS.sealed"];
const SUMS_LIMIT = 10_000;

/** A snapshot that is whole. */
export interface SnapshotArchive {
  readonly bytes: number;
  /** of the whole file, hex */
  readonly sha256: string;
}

/**
 * Reads a snapshot from its first to its last byte and compares its content with its own checksums.
 *
 * @throws UserError where it is not whole
 */
export async function verifySnapshot(path: string): Promise<SnapshotArchive> {
  const whole = createHash("sha256");
  let bytes = 0;
  const sums = new Map<string, Hash>();
  let listed = "";
  try {
    await pipeline(
      createReadStream(path),
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          whole.update(chunk);
          bytes += chunk.length;
          yield chunk;
        }
      },
      createGunzip(),
      async (chunks: AsyncIterable<Buffer>) => {
        await readTar(chunks, ({ name, size }) => {
          if (name === SUMS && size > SUMS_LIMIT) throw new Error(`${SUMS} is too long`);
          const sum = createHash("sha256");
          sums.set(name, sum);
          return (chunk) => {
            sum.update(chunk);
            if (name === SUMS) listed += chunk.toString("latin1");
          };
        });
      },
    );
    compare(new Map([...sums].map(([name, sum]) => [name, sum.digest("hex")])), listed);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UserError(`${path}: not a whole snapshot: ${code ?? message}`, "take or choose another one");
  }
  return { bytes, sha256: whole.digest("hex") };
}

function compare(sums: ReadonlyMap<string, string>, listed: string): void {
  const missing = PARTS.find((part) => !sums.has(part));
  if (missing !== undefined) throw new Error(`it has no ${missing}`);
  const lines = listed.trim().split("\n");
  for (const line of lines) {
    const [sum = "", name = ""] = line.split(/\s+/);
    if (sums.get(name) !== sum) throw new Error(`the checksum of ${name || "a part"} does not match`);
  }
  for (const part of ["meta.json", "state.bin"]) {
    if (!lines.some((line) => line.endsWith(` ${part}`))) throw new Error(`${part} has no checksum`);
  }
}
