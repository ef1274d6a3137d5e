import { mkdir, open, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { EXIT, UserError } from "../errors.ts";
import type { Epoch } from "./share-file.ts";
import { formatPaperShare } from "./share-paper.ts";
import { renderSheet } from "./share-sheet.ts";
import type { ShareStore } from "./share-store.ts";

/** File name of a sheet; says nothing but which one it is. */
export function sheetName(stack: string, { id }: Pick<Epoch, "id">, index: number): string {
  return `${stack}-vault-share-${index}-${id.slice(0, 8)}.svg`;
}

/**
 * Writes one sheet, readable by its owner alone, and proves it by reading it back. It never passes through another file.
 *
 * @param date ISO day
 * @returns its path
 * @throws UserError (refused) where the file exists; (failed) where it cannot be written
 */
export async function writeSheet(
  directory: string,
  args: { store: ShareStore; epoch: Epoch; index: number; share: Buffer; date: string },
): Promise<string> {
  const { store, epoch, index, share, date } = args;
  const { n, t } = epoch;
  const lines = formatPaperShare({ epochId: epoch.id, index, t, share });
  const fingerprint = epoch.shares[index - 1]?.mac ?? "";
  const text = await renderSheet({ stack: store.stack, epochId: epoch.id, index, n, t, date, fingerprint, lines });
  const path = join(directory, sheetName(store.stack, epoch, index));
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeOnce(path, text);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") throw new UserError(`${path}: is there already`, `print it, or: rm ${path}`, EXIT.refused);
    throw new UserError(`${path}: cannot be written (${code})`, "choose another --out DIR");
  }
  return path;
}

async function writeOnce(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    // Half a sheet would be taken for a whole one.
    await unlink(path);
    throw error;
  } finally {
    await file.close();
  }
  if ((await readFile(path, "utf8")) !== text) throw Object.assign(new Error(path), { code: "EIO" });
}
