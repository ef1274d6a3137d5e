import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Comparison } from "./drill-git.ts";
import { measure } from "./files.ts";
import { mirrorPath } from "./mirror-path.ts";

/** An object that the database names. */
export interface NamedObject {
  readonly key: string;
  readonly bytes: number;
  /** hex; undefined where the database does not know it */
  readonly sha256?: string;
}

/**
 * Reads the answer to a query of the plan: key, size and, where the database knows it, SHA-256, separated by tabs.
 *
 * @param answer a line for each object
 */
export function parseNamedObjects(answer: string): NamedObject[] {
  return answer
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [key = "", bytes = "", sha256 = ""] = line.split("\t");
      return { key, bytes: Number(bytes), ...(sha256 === "" ? {} : { sha256 }) };
    });
}

/**
 * Whether every object that the database names is in the mirror, with the right size and content.
 *
 * @param what kind of object, for messages
 * @param mirror directory of the bucket's mirror
 */
export async function compareObjects(
  what: string,
  objects: readonly NamedObject[],
  mirror: string,
): Promise<Comparison & { readonly bytes: number }> {
  const problems: string[] = [];
  let bytes = 0;
  for (const object of objects) {
    bytes += object.bytes;
    const problem = await compare(object, mirror);
    if (problem) problems.push(`${what}: ${object.key}: ${problem}`);
  }
  return { compared: objects.length, bytes, problems };
}

async function compare({ key, bytes, sha256 }: NamedObject, mirror: string): Promise<string | undefined> {
  const path = mirrorPath(key);
  if (path === undefined) return "its key has no place in the mirror";
  const file = join(mirror, path);
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) return "the database names it, and it is not in the backup";
  if (found.size !== bytes) return `${String(found.size)} bytes, the database says ${String(bytes)}`;
  if (sha256 === undefined) return undefined;
  const measured = await measure(file);
  return measured.sha256 === sha256 ? undefined : `its content is not that of its hash (${measured.sha256})`;
}
