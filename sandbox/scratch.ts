import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Paths } from "./paths.ts";

/**
 * A new directory for something unfinished, on the file system of the cache, so that the finished thing can be renamed
 * into its place there.
 */
export function makeScratch(paths: Paths): string {
  const directory = scratchOf(paths);
  mkdirSync(directory, { recursive: true });
  return mkdtempSync(join(directory, "x-"));
}

/** Removes what interrupted runs have left. Only while the rig's lock is held. */
export function clearScratch(paths: Paths): void {
  rmSync(scratchOf(paths), { recursive: true, force: true });
}

const scratchOf = ({ cache }: Paths): string => join(cache, "scratch");
