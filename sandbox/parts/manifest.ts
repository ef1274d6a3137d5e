import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Rig } from "../rig.ts";

/** What is known about an image that was built: kept so that a warm run asks the registry once and Docker never. */
export interface Manifest {
  readonly version: string;
  readonly digest: string;
}

/** `undefined` when no image of this hash was built, or the note about it is damaged. */
export async function readManifest({ paths }: Rig, name: string, hash: string): Promise<Manifest | undefined> {
  try {
    const parsed = JSON.parse(await readFile(fileOf(paths.cache, name, hash), "utf8")) as Partial<Manifest>;
    return parsed.version && parsed.digest ? { version: parsed.version, digest: parsed.digest } : undefined;
  } catch {
    return undefined;
  }
}

export async function writeManifest({ paths }: Rig, name: string, hash: string, manifest: Manifest): Promise<void> {
  await mkdir(join(paths.cache, "images"), { recursive: true });
  await writeFile(fileOf(paths.cache, name, hash), `${JSON.stringify(manifest)}\n`);
}

const fileOf = (cache: string, name: string, hash: string): string => join(cache, "images", `${name}-${hash}.json`);
