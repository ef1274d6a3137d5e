import { EXIT, UserError } from "../errors.ts";
import type { Commit } from "./commit.ts";
import { findSet, type SetEntry } from "./sets.ts";

/** Which backup is meant. */
export type Choice =
  | { readonly kind: "newest" }
  /** at least 8 hex digits: of the snapshot that holds the set, or of the one that holds its marker */
  | { readonly kind: "id"; readonly id: string }
  /** the newest one that was finished by then; ISO time */
  | { readonly kind: "time"; readonly time: string };

/** The complete sets at the offsite. */
export interface Backups {
  /** newest first */
  list(): Promise<SetEntry[]>;
  /** @throws UserError where the marker is not one */
  read(set: SetEntry): Promise<Commit>;
  /** a line for whoever watches */
  report(line: string): void;
}

/**
 * Reads what somebody wants: `auto` and `newest` mean the newest, hex digits an id, all else a time.
 *
 * @param where for messages
 * @throws UserError (config) for what is none of these
 */
export function parseChoice(where: string, text: string): Choice {
  if (text === "auto" || text === "newest") return { kind: "newest" };
  if (/^[0-9a-f]{8,64}$/.test(text)) return { kind: "id", id: text };
  // Without a zone it would mean something else on another machine.
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text))) {
    return { kind: "time", time: new Date(text).toISOString() };
  }
  throw new UserError(
    `${where}: neither a snapshot id nor a time: ${text}`,
    "an id of npx foundation backup list, or a time such as 2026-01-31T12:00:00Z",
    EXIT.config,
  );
}

/**
 * The backup that is meant.
 *
 * @param owner a backup of another foundation is not taken
 * @returns undefined where there is none at all and just the newest was wanted
 * @throws UserError where it is not there, not clear, damaged, or that of another foundation
 */
export async function chooseBackup(backups: Backups, choice: Choice, owner: string): Promise<Commit | undefined> {
  const sets = await backups.list();
  switch (choice.kind) {
    case "id": {
      const commit = await backups.read(findSet(sets, choice.id));
      if (commit.owner !== owner) throw foreign(commit, owner);
      return commit;
    }
    case "time": {
      const commit = await newestOf(backups, owner, sets, Date.parse(choice.time));
      if (commit === undefined) throw tooOld(sets, choice.time);
      return commit;
    }
    case "newest":
      return await newestOf(backups, owner, sets, Infinity);
  }
}

/** Garbage among the markers, of whoever got hold of the VM's credentials, is named and passed over. */
async function newestOf(
  backups: Backups,
  owner: string,
  sets: readonly SetEntry[],
  until: number,
): Promise<Commit | undefined> {
  let other: Commit | undefined;
  for (const set of sets.filter(({ time }) => Date.parse(time) <= until)) {
    const commit = await backups.read(set).catch((error: unknown) => {
      if (!(error instanceof UserError)) throw error;
      backups.report(`restore: ${error.message}`);
    });
    if (commit?.owner === owner) return commit;
    other ??= commit ?? undefined;
  }
  if (other !== undefined) throw foreign(other, owner);
  // A fresh foundation beside backups that cannot be read would be taken for what they held.
  if (sets.length === 0 || until !== Infinity) return undefined;
  throw new UserError(
    `backup: there are ${String(sets.length)}, and none has a marker that can be read`,
    "npx foundation offsite check; to begin anew all the same: pulumi config set foundation:seed fresh",
    EXIT.refused,
  );
}

function tooOld(sets: readonly SetEntry[], time: string): UserError {
  const first = sets.at(-1);
  return new UserError(
    `backup: none is as old as ${time}`,
    first === undefined ? "there is none at all" : `the first one is of ${new Date(first.time).toISOString()}`,
  );
}

function foreign({ snapshot, owner: found }: Commit, owner: string): UserError {
  return new UserError(
    `backup: ${snapshot.slice(0, 8)} is one of the foundation ${found}, not of ${owner}`,
    "check that the key file and the offsite belong together",
    EXIT.refused,
  );
}
