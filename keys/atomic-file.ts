import { randomBytes } from "node:crypto";
import { link, mkdir, open, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { UserError } from "../errors.ts";

/**
 * Writes a whole file so that a crash at any moment leaves the old content or the new, never a part of it. Makes its
 * directory.
 *
 * @param replace `false`: fails with code EEXIST where the file exists, also when another process creates it meanwhile
 * @throws UserError (failed) where it cannot be written; then the old content is there, or the new one may be lost again
 */
export async function writeFileAtomically(path: string, text: string, replace: boolean): Promise<void> {
  const directory = dirname(path);
  const temporary = `${path}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await mkdir(directory, { recursive: true });
    await writeDurably(temporary, text);
    if (replace) await rename(temporary, path);
    // link() is the only step that is both atomic and unwilling to replace a file.
    else await link(temporary, path);
    await unlink(temporary).catch(() => undefined);
    await syncDirectory(directory);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    const { code = "unknown error", syscall } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && syscall === "link") throw error;
    throw new UserError(`${path}: cannot be written (${code})`, `df -h ${directory}; ls -ld ${directory}`);
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, "w", 0o644);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
