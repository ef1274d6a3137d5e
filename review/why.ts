import { EXIT, UserError } from "../errors.ts";
import { links, type Evidence, type Link } from "./reach.ts";

/** What reaches a thing, and what it reaches. */
export interface Answer {
  readonly subject: string;
  readonly reachedBy: readonly Reached[];
  readonly reaches: readonly Reached[];
}

/** One of them, and every way by which it does. */
export interface Reached {
  readonly what: string;
  readonly how: readonly string[];
}

const KINDS = ["bucket", "consumer", "database", "port", "service", "vault"];

/**
 * Looks a thing up in both directions.
 *
 * @param subject `vault:foundation/x`, `bucket:NAME`, `database:NAME`, `port:N`, `service:NAME`, `consumer:NAME`
 * @throws UserError (usage) where there is no such thing
 */
export function lookUp(evidence: Evidence, subject: string): Answer {
  const [kind = "", name = ""] = subject.split(/:(.*)/);
  if (!KINDS.includes(kind) || name === "") {
    throw new UserError(
      `why: ${subject}: not a thing`,
      `one of: ${KINDS.map((each) => `${each}:…`).join(", ")}`,
      EXIT.usage,
    );
  }
  // People write secrets of their own below the paths that policies name: any path can be asked about.
  const all = links(evidence, kind === "vault" ? [name] : []);
  const reachedBy = gather(
    all.filter(({ to }) => to === subject),
    ({ from }) => from,
  );
  const reaches = gather(
    all.filter(({ from }) => from === subject),
    ({ to }) => to,
  );
  if (reachedBy.length + reaches.length > 0) return { subject, reachedBy, reaches };
  const known = all.flatMap(({ from, to }) => [from, to]).filter((each) => each.startsWith(`${kind}:`));
  throw new UserError(
    `why: ${subject}: nothing reaches it, and it reaches nothing`,
    `known are: ${[...new Set(known)].toSorted().join(", ")}`,
    EXIT.usage,
  );
}

function gather(found: readonly Link[], side: (link: Link) => string): Reached[] {
  const names = [...new Set(found.map(side))].toSorted();
  return names.map((what) => {
    const how = found.filter((link) => side(link) === what).map((link) => link.how);
    return { what, how: [...new Set(how)] };
  });
}

/** The answer for a terminal. */
export function formatAnswer({ subject, reachedBy, reaches }: Answer): string {
  const width = Math.max(...[...reachedBy, ...reaches].map(({ what }) => what.length));
  const table = (title: string, rows: readonly Reached[]): string[] =>
    rows.length === 0 ? [] : [title, ...rows.map(({ what, how }) => `  ${what.padEnd(width)}  ${how.join("; ")}`)];
  return [subject, ...table("is reached by", reachedBy), ...table("reaches", reaches)].join("\n");
}
