import { z } from "zod";
import { UserError } from "../../errors.ts";

const schema = z.array(
  z.object({
    id: z.string().regex(/^[0-9a-f]{64}$/),
    time: z.iso.datetime({ offset: true }),
    hostname: z.string().default(""),
    paths: z.array(z.string()).default([]),
    tags: z.array(z.string()).default([]),
  }),
);

/** One snapshot as restic lists it. Everything in it was said by whoever made it. */
export interface Snapshot {
  /** 64 hex digits */
  readonly id: string;
  /** seconds since 1970 */
  readonly seconds: number;
  readonly hostname: string;
  readonly paths: readonly string[];
  readonly tags: readonly string[];
}

/** Reads the output of `restic snapshots --json`, oldest first. */
export function parseSnapshots(json: string): Snapshot[] {
  const parsed = schema.safeParse(parse(json) ?? []);
  if (!parsed.success) throw new UserError("offsite: restic's list of snapshots cannot be read", "pulumi up");
  return parsed.data
    .map(({ time, ...snapshot }) => ({ ...snapshot, seconds: Date.parse(time) / 1000 }))
    .toSorted((a, b) => a.seconds - b.seconds);
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return {};
  }
}

/** A file in the repository's directories, and when it came to lie there: only the offsite's own clock says that. */
export interface RepositoryFile {
  readonly kind: "keys" | "locks" | "index" | "snapshots";
  readonly name: string;
  /** of the last change, since 1970 */
  readonly seconds: number;
  readonly bytes: number;
}

const FILE = /^(keys|locks|index|snapshots) ([^\s/]+) (\d+(?:\.\d+)?) (\d+)$/;

/** Reads what the offsite's script says of its files, one a line; other lines are left out. Oldest first. */
export function parseFiles(text: string): RepositoryFile[] {
  const files = text.split("\n").flatMap((line) => {
    const [, kind, name, seconds, bytes] = FILE.exec(line) ?? [];
    if (kind === undefined || name === undefined) return [];
    return [{ kind: kind as RepositoryFile["kind"], name, seconds: Number(seconds), bytes: Number(bytes) }];
  });
  return files.toSorted((a, b) => a.seconds - b.seconds);
}
