import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";

/**
 * Name of a built thing: 16 hex digits over everything that goes into it.
 *
 * @param directories every file below them counts by relative path, content and executable bit
 * @param facts other inputs: versions, hashes of what it is built from
 */
export function contentHash(directories: readonly string[], facts: readonly string[] = []): string {
  const hash = createHash("sha256");
  for (const directory of directories) {
    for (const file of listFiles(directory)) {
      const executable = (statSync(file).mode & 0o111) !== 0 ? "x" : "-";
      hash.update(`${relative(directory, file)}\0${executable}\0`).update(sha256(readFileSync(file)));
    }
  }
  for (const fact of facts) hash.update(`\0${fact}`);
  return hash.digest("hex").slice(0, 16);
}

/** Hex digest of a text or of bytes. */
export function sha256(content: string | Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

function listFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
