import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../errors.ts";
import type { Effects, StoredObject } from "./effects.ts";
import { objectKey } from "./mirror-path.ts";
import { Progress } from "./progress.ts";
import { inParallel } from "./parallel.ts";

/** An S3 server that objects are restored to. */
export interface Bucket {
  list(bucket: string): AsyncIterable<StoredObject>;
  upload(bucket: string, key: string, path: string, bytes: number): Promise<void>;
}

/** What a server that answers wrongly once, or is started anew, gets before an upload to it has failed. */
const PAUSES_SECONDS = [1, 4, 15];

/** Whether there is any object in a bucket. */
export async function hasObjects(store: Pick<Bucket, "list">, bucket: string): Promise<boolean> {
  for await (const _object of store.list(bucket)) return true;
  return false;
}

/**
 * Puts the files of a mirror back into their bucket. What is there already, from an attempt that was cut short, is not
 * sent again.
 *
 * @param directory of the mirror; none is an empty bucket
 * @param pauses in seconds, before an upload that failed is tried again
 * @returns how many objects the mirror has
 */
export async function restoreBucket(
  store: Bucket,
  effects: Pick<Effects, "now" | "report">,
  bucket: string,
  directory: string,
  pauses: readonly number[] = PAUSES_SECONDS,
): Promise<number> {
  const there = new Map<string, number>();
  const files = await listFiles(directory);
  try {
    for await (const { key, bytes } of store.list(bucket)) there.set(key, bytes);
    const missing = files.filter(({ key, bytes }) => there.get(key) !== bytes);
    const progress = new Progress(
      effects,
      `s3 ${bucket}`,
      missing.reduce((sum, { bytes }) => sum + bytes, 0),
    );
    await inParallel(missing, async ({ key, path, bytes }) => {
      await insistently(pauses, () => store.upload(bucket, key, path, bytes));
      progress.add(bytes);
    });
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { code, name, message } = error as NodeJS.ErrnoException;
    throw new UserError(`s3: ${bucket}: ${code ?? (message || name)}`, "docker logs --tail 50 rustfs (on the VM)");
  }
  return files.length;
}

/** One wrong answer among a hundred thousand must not stop a rebuild. */
async function insistently(pauses: readonly number[], work: () => Promise<void>): Promise<void> {
  for (const seconds of pauses) {
    try {
      await work();
      return;
    } catch {
      await sleep(seconds * 1000);
    }
  }
  await work();
}

async function listFiles(directory: string): Promise<{ key: string; path: string; bytes: number }[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    },
  );
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const sized = async (path: string) => ({
    path,
    key: objectKey(path.slice(directory.length + 1)),
    bytes: (await stat(path)).size,
  });
  return await Promise.all(paths.map(sized));
}
