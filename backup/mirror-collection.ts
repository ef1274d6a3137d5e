import { readdir, readFile, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import { parseNamedObjects } from "./drill-objects.ts";
import { replaceFile } from "./files.ts";
import type { Job } from "./job.ts";
import { mirrorPath } from "./mirror-path.ts";
import { queryDatabase } from "./postgres.ts";
import { size } from "./progress.ts";
import { readStatus, writeStatus, type Status } from "./status.ts";

const DAY_MS = 24 * 3600 * 1000;
/** So long a file stays that nothing needs any more: whoever deleted what it is of may want it back. */
const KEEP_DAYS = 30;
/** Of a mirror's files; a store that lost its objects must not take those of the mirror with it. */
const CAP_SHARE = 0.05;
/** So many may go from a small mirror, whatever their share. */
const CAP_FLOOR = 20;
const LOCK_SECONDS = 1800;

/** What a collection did. */
export type Collected = NonNullable<Status["collection"]>;

/**
 * Removes from the mirrors what has been absent from the object store for 30 days, and is named by no database. Backups
 * taken so far still have it.
 *
 * @param force also where it is more than a twentieth of a mirror
 * @throws UserError where the lock is not to be had; every other trouble is in the result
 */
export async function collectMirrors(job: Job, force: boolean): Promise<Collected> {
  const { effects, layout, plan } = job;
  const release = await effects.lock(layout.lock, LOCK_SECONDS);
  if (release === undefined)
    throw new UserError("lock: somebody has held it for 30 minutes", "npx foundation backup collect");
  const total = { removed: 0, bytes: 0, waiting: 0 };
  const reasons: string[] = [];
  try {
    for (const bucket of plan.buckets) {
      const { removed, bytes, waiting } = await collect(job, bucket, force);
      total.removed += removed;
      total.bytes += bytes;
      total.waiting += waiting;
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    reasons.push(error.message);
  } finally {
    release();
  }
  const now = effects.now();
  const [reason] = reasons;
  const found = { finished: now.toISOString(), ...total, ...(reason === undefined ? {} : { reason }) };
  await writeStatus(layout, { ...(await readStatus(layout, plan)), collection: found }, now);
  effects.report(`backup: ${describeCollected(found)}`);
  return found;
}

/** In one line, for the log. */
export function describeCollected({ removed, bytes, waiting, reason }: Collected): string {
  const done = `mirror: ${String(removed)} files removed, ${size(bytes)}; ${String(waiting)} wait for their time`;
  return reason === undefined ? done : `mirror: nothing more removed: ${reason}`;
}

/** When each file was first seen to be of no use, by its path in the mirror. */
type Absent = Readonly<Record<string, string>>;

async function collect(job: Job, bucket: string, force: boolean): Promise<Omit<Collected, "finished">> {
  const { effects, layout } = job;
  const directory = layout.mirror(bucket);
  const needed = await findNeeded(job, bucket);
  const files = await listFiles(directory);
  const useless = files.filter((path) => !needed.has(path));
  const before = await readAbsent(layout.mirrorAbsent(bucket));
  const now = effects.now();
  const since = (path: string): string => before[path] ?? now.toISOString();
  const due = useless.filter((path) => now.getTime() - Date.parse(since(path)) > KEEP_DAYS * DAY_MS);
  const cap = Math.max(CAP_FLOOR, Math.floor(files.length * CAP_SHARE));
  const refused = due.length > cap && !force;
  const gone = new Set(refused ? [] : due);
  let bytes = 0;
  for (const path of gone) bytes += await remove(directory, path);
  const waiting = useless.filter((path) => !gone.has(path));
  const absent: Absent = Object.fromEntries(waiting.map((path) => [path, since(path)]));
  await replaceFile(layout.mirrorAbsent(bucket), `${JSON.stringify(absent)}\n`);
  if (!refused) return { removed: due.length, bytes, waiting: waiting.length };
  const which = `${bucket}: ${String(due.length)} of ${String(files.length)} files would go: ${due[0] ?? ""}, …`;
  const cure = "npx foundation backup collect --force";
  throw new UserError(`${which}; at most ${String(cap)} may; if they may all: ${cure}`, cure);
}

/** Paths of everything that is in the store, or that a database names. */
async function findNeeded(job: Job, bucket: string): Promise<Set<string | undefined>> {
  const needed = new Set<string | undefined>();
  try {
    for await (const { key } of job.effects.objects.list(bucket)) needed.add(mirrorPath(key));
  } catch (error) {
    const { code, name, message } = error as NodeJS.ErrnoException;
    throw new UserError(`s3: ${bucket}: ${code ?? (message || name)}`, "docker logs --tail 50 rustfs (on the VM)");
  }
  for (const { name, references } of job.plan.databases) {
    for (const { query } of references.filter((reference) => reference.bucket === bucket)) {
      const answer = await queryDatabase(job, name, query);
      for (const { key } of parseNamedObjects(answer)) needed.add(mirrorPath(key));
    }
  }
  return needed;
}

async function listFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  return files.map(({ parentPath, name }) => join(parentPath, name).slice(directory.length + 1)).sort();
}

async function readAbsent(path: string): Promise<Absent> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Absent;
  } catch {
    // Without it everything waits for its time once more.
    return {};
  }
}

/** @returns the bytes of what is gone; directories that it leaves empty go with it */
async function remove(directory: string, path: string): Promise<number> {
  const file = join(directory, path);
  const { size: bytes } = await stat(file);
  await rm(file);
  for (let parent = dirname(file); parent !== directory; parent = dirname(parent)) {
    const isEmpty = await rmdir(parent).then(
      () => true,
      () => false,
    );
    if (!isEmpty) break;
  }
  return bytes;
}
