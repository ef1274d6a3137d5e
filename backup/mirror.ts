import { mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import type { StoredObject } from "./effects.ts";
import { measure, replaceFile } from "./files.ts";
import type { Job } from "./job.ts";
import { mirrorPath } from "./mirror-path.ts";
import { Progress } from "./progress.ts";
import { inParallel } from "./parallel.ts";

/** Key of the object that holds the id of the last run. The forge has no such key and ignores it. */
export const CANARY_KEY = "foundation/backup-canary";

/** A bucket as it was listed. */
export interface MirroredBucket {
  readonly objects: number;
  readonly bytes: number;
  /** keys that a file system cannot hold */
  readonly skipped: readonly string[];
  /** keys that never change, and have another content than before; the mirror keeps what it has */
  readonly overwritten: readonly string[];
}

/**
 * Copies what is new or changed in a bucket into its mirror, through the API, so that the server's own checksums apply.
 * Nothing is ever deleted here: what a database dumped a moment ago refers to may be deleted meanwhile.
 *
 * @throws UserError
 */
export async function mirrorBucket(job: Job, bucket: string): Promise<MirroredBucket> {
  const { effects, layout } = job;
  const index = await readIndex(layout.mirrorIndex(bucket));
  const directory = layout.mirror(bucket);
  const skipped: string[] = [];
  const overwritten: string[] = [];
  const listed: { object: StoredObject; path: string }[] = [];
  const current = new Set<StoredObject>();
  let [objects, bytes] = [0, 0];
  try {
    for await (const object of effects.objects.list(bucket)) {
      const path = mirrorPath(object.key);
      objects += 1;
      bytes += object.bytes;
      if (path === undefined) skipped.push(object.key);
      else listed.push({ object, path });
    }
    await inParallel(listed, async ({ object, path }) => {
      if (await isCurrent(join(directory, path), object, index)) current.add(object);
    });
    const wanted = listed.filter(({ object }) => !current.has(object));
    const totalBytes = wanted.reduce((sum, { object }) => sum + object.bytes, 0);
    const progress = new Progress(effects, `s3 ${bucket}`, totalBytes);
    await inParallel(wanted, async ({ object, path }) => {
      const known = isImmutable(job.plan, bucket, object.key) && index.has(object.key);
      const result = await fetchObject(job, bucket, object, { path: join(directory, path), keep: known });
      if (result === "copied") index.set(object.key, object.tag);
      if (result === "overwritten") overwritten.push(object.key);
      progress.add(object.bytes);
    });
  } catch (error) {
    throw failure(bucket, error);
  } finally {
    await replaceFile(layout.mirrorIndex(bucket), JSON.stringify(Object.fromEntries(index)));
  }
  return { objects, bytes, skipped, overwritten: overwritten.sort() };
}

/** Writes the run's id into the first bucket, for the drill. */
export async function writeObjectCanary({ effects, plan, run }: Job): Promise<void> {
  const [bucket] = plan.buckets;
  if (bucket === undefined) return;
  await effects.objects.put(bucket, CANARY_KEY, run).catch((error: unknown) => {
    throw failure(bucket, error);
  });
}

async function isCurrent(path: string, object: StoredObject, index: ReadonlyMap<string, string>): Promise<boolean> {
  if (index.get(object.key) !== object.tag) return false;
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true && found.size === object.bytes;
}

/** Whether an object is of a kind that is written once: its name follows from its content, or is given once. */
function isImmutable({ databases }: Job["plan"], bucket: string, key: string): boolean {
  const references = databases.flatMap((database) => database.references);
  return references.some((reference) => reference.bucket === bucket && key.startsWith(reference.prefix));
}

/** @param keep a copy of before, unless the new content is the same */
async function fetchObject(
  { effects, layout, run }: Job,
  bucket: string,
  object: StoredObject,
  { path, keep }: { path: string; keep: boolean },
): Promise<"copied" | "gone" | "overwritten"> {
  const partial = join(layout.mirrors, `.${run}.${effects.newId()}.new`);
  try {
    if (!(await effects.objects.download(bucket, object.key, partial, object.bytes))) return "gone";
    const before = keep ? await measure(path).catch(() => undefined) : undefined;
    if (before !== undefined && before.sha256 !== (await measure(partial)).sha256) {
      await rm(partial);
      return "overwritten";
    }
    await moveInto(partial, path);
    return "copied";
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** Most directories are there already: asking first would cost as much as the renaming. */
async function moveInto(partial: string, path: string): Promise<void> {
  try {
    await rename(partial, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    await mkdir(dirname(path), { recursive: true });
    await rename(partial, path);
  }
}

async function readIndex(path: string): Promise<Map<string, string>> {
  try {
    return new Map(Object.entries(JSON.parse(await readFile(path, "utf8")) as Record<string, string>));
  } catch {
    // Without it everything is fetched again, which is slow and right.
    return new Map();
  }
}

function failure(bucket: string, error: unknown): Error {
  const { code, name, message } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC") return error as Error;
  return new UserError(`s3: ${bucket}: ${code ?? (message || name)}`, "docker logs --tail 50 rustfs (on the VM)");
}
