import { EXIT, UserError } from "../../errors.ts";
import type { RepositoryFile } from "./snapshot.ts";

/** What is known of a repository before something is moved out of it. */
export interface QuarantineFacts {
  /** every key, index, snapshot and lock that is newer than the chosen time */
  readonly newer: readonly RepositoryFile[];
  /** number of keys that there are */
  readonly keys: number;
  /** when a prune last began, since 1970; undefined if there was none */
  readonly prunedSeconds: number | undefined;
  /** offsite's clock */
  readonly nowSeconds: number;
}

/**
 * Whether the repository can be taken back to a time by moving away what is newer.
 *
 * @throws UserError (refused) where that would make the older backups unreadable
 */
export function requireRecoverable(afterSeconds: number, facts: QuarantineFacts): void {
  const { keys, newer, nowSeconds, prunedSeconds } = facts;
  if (afterSeconds > nowSeconds) {
    throw new UserError(
      `offsite: ${show(afterSeconds)} has not come yet`,
      "--after TIME: when all was still well",
      EXIT.usage,
    );
  }
  if (prunedSeconds !== undefined && prunedSeconds >= afterSeconds) {
    throw new UserError(
      `offsite: there was a prune at ${show(prunedSeconds)}, which rewrote what older backups consist of`,
      `--after ${show(prunedSeconds + 3600)}, or later`,
      EXIT.refused,
    );
  }
  if (newer.filter(({ kind }) => kind === "keys").length >= keys) {
    throw new UserError(
      `offsite: the repository is newer than ${show(afterSeconds)}: nothing of it would be left`,
      "--after TIME: when all was still well",
      EXIT.refused,
    );
  }
}

/**
 * Reads a time with its zone, such as `2026-01-31T12:00:00Z`.
 *
 * @returns seconds since 1970
 * @throws UserError (usage)
 */
export function parseTime(option: string, text: string): number {
  const milliseconds = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : NaN;
  if (!Number.isNaN(milliseconds)) return milliseconds / 1000;
  throw new UserError(
    `offsite: ${option}: not a time with its zone: ${text}`,
    `such as ${option} 2026-01-31T12:00:00Z`,
    EXIT.usage,
  );
}

/** `2026-01-31T12:00:00Z` */
export function show(seconds: number): string {
  return new Date(Math.floor(seconds) * 1000).toISOString().replace(".000Z", "Z");
}

/** What is, or would be, moved aside, by kind. */
export function summariseFiles(files: readonly RepositoryFile[]): string {
  const kinds = ["keys", "locks", "index", "snapshots"] as const;
  const count = (kind: RepositoryFile["kind"]) => files.filter((file) => file.kind === kind).length;
  return kinds.map((kind) => `${String(count(kind))} ${kind}`).join(", ");
}
