import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { COMMIT_FILE, parseCommit, renderCommit, type Commit } from "./commit.ts";
import { replaceFile } from "./files.ts";
import type { Job } from "./job.ts";
import type { Restic, Snapshot } from "./restic.ts";

/** A committed set, as far as the list of snapshots tells of it. */
export interface SetEntry {
  /** of the snapshot that holds the set */
  readonly snapshot: string;
  /** of the snapshot that holds the marker */
  readonly commit: string;
  readonly time: string;
  readonly degraded: boolean;
}

/** The sets of a list of snapshots; what is not a marker of ours is left out. */
export function setsOf(snapshots: readonly Snapshot[]): SetEntry[] {
  return snapshots.flatMap(({ id, time, tags }) => {
    const set = tags.find((tag) => /^set-[0-9a-f]{64}$/.test(tag))?.slice("set-".length);
    if (set === undefined || !tags.includes("commit")) return [];
    return [{ snapshot: set, commit: id, time, degraded: tags.includes("degraded") }];
  });
}

/**
 * Chooses a set by the beginning of its id or of its marker's.
 *
 * @throws UserError where there is none, or more than one
 */
export function findSet(sets: readonly SetEntry[], id: string): SetEntry {
  const fitting = sets.filter(({ snapshot, commit }) => snapshot.startsWith(id) || commit.startsWith(id));
  const [first] = fitting;
  if (first === undefined) throw new UserError(`backup: no set ${id}`, "npx foundation backup list");
  if (fitting.length === 1) return first;
  const ids = fitting.map(({ snapshot }) => snapshot.slice(0, id.length + 8));
  throw new UserError(`backup: ${String(fitting.length)} sets begin with ${id}`, `give more of it: ${ids.join(", ")}`);
}

/** A committed set with its marker. */
export interface MarkedSet {
  /** of the snapshot that holds the marker */
  readonly id: string;
  readonly commit: Commit;
}

/** More are seldom looked through, and each that is not known yet takes restic a second. */
const LIST_LIMIT = 100;

/**
 * The newest sets, newest first. What carries the tags of a marker and is none, or is another foundation's, is named
 * and left out: with the credentials of a VM anybody could have put it there.
 */
export async function listSets(job: Job): Promise<MarkedSet[]> {
  const found: MarkedSet[] = [];
  for (const entry of setsOf(await job.restic.snapshots("commit")).slice(0, LIST_LIMIT)) {
    try {
      const commit = await readMarker(job, entry);
      if (commit.owner === job.plan.owner) found.push({ id: entry.commit, commit });
      else job.effects.report(`backup: ${entry.commit.slice(0, 8)} is of another foundation: ${commit.owner}`);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      job.effects.report(`backup: left out: ${error.message}`);
    }
  }
  return found;
}

/** The marker of a set. @throws UserError */
export async function readCommit(restic: Restic, { commit: id }: Pick<SetEntry, "commit">): Promise<Commit> {
  return parseCommit(id.slice(0, 8), await restic.read(id, `/${COMMIT_FILE}`));
}

/** As {@link readCommit}, but one that has been read once is kept, since it never changes. */
export async function readMarker({ restic, layout }: Job, entry: SetEntry): Promise<Commit> {
  const kept = join(layout.markers, `${entry.commit}.json`);
  const known = await readFile(kept, "utf8").catch(() => undefined);
  if (known !== undefined) return parseCommit(entry.commit.slice(0, 8), known);
  const commit = await readCommit(restic, entry);
  await mkdir(layout.markers, { recursive: true });
  await replaceFile(kept, renderCommit(commit));
  return commit;
}
