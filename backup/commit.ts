import { z } from "zod";
import { UserError } from "../errors.ts";

const hex = (length: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${String(length)}}$`), `is not ${String(length)} hex digits`);
const count = z.int().min(0);
const instant = z.iso.datetime();
const uuid = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, "is not a UUID");
const vault = z.strictObject({
  clusterId: uuid,
  version: z.string(),
  /** the set of shares that opens it */
  epoch: uuid,
  n: z.int().min(1).max(255),
  t: z.int().min(1).max(255),
  bytes: count,
  sha256: hex(64),
  taken: instant,
});
const database = z.strictObject({
  name: z.string(),
  bytes: count,
  sha256: hex(64),
  /** rows by `schema.table`, counted in the transaction that was dumped */
  tables: z.record(z.string(), count),
});
const schema = z.strictObject({
  version: z.literal(1),
  owner: hex(16),
  vmId: hex(32),
  run: uuid,
  started: instant,
  finished: instant,
  /** id of the snapshot that holds the set */
  snapshot: hex(64),
  degraded: z.array(z.strictObject({ part: z.string(), reason: z.string() })),
  postgres: z.strictObject({ server: z.string(), databases: z.array(database) }),
  git: z.strictObject({ repositories: count, refs: count }),
  s3: z.record(z.string(), z.strictObject({ objects: count, bytes: count })),
  vault: vault.nullable(),
  kit: z.strictObject({ commit: z.string(), files: count }).nullable(),
});

/**
 * The marker that makes a snapshot a backup. It is written when everything has been captured and checked; a snapshot
 * that no marker names does not exist for restore and drill.
 */
export type Commit = z.infer<typeof schema>;
/** Vault's part of a set. */
export type VaultPart = z.infer<typeof vault>;
/** A database's part of a set. */
export type DatabasePart = z.infer<typeof database>;
/** Something that is missing in a set, or older than the rest. */
export type Degradation = Commit["degraded"][number];

/**
 * What is known of a snapshot of Vault, if it is what a marker can hold.
 *
 * @throws UserError
 */
export function checkVaultPart(value: unknown): VaultPart {
  const parsed = vault.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UserError(`vault: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`, "npx foundation vault status");
}

/** Name of the marker in its snapshot. */
export const COMMIT_FILE = "commit.json";

/** The text of a marker. */
export function renderCommit(commit: Commit): string {
  return `${JSON.stringify(schema.parse(commit), undefined, 2)}\n`;
}

/**
 * Reads a marker.
 *
 * @param where the snapshot that it is from
 * @throws UserError where it is not one, or of a newer version
 */
export function parseCommit(where: string, text: string): Commit {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw damaged(where, "not JSON");
  }
  const version = (value as { version?: unknown } | null)?.version;
  if (typeof version === "number" && version > 1) {
    throw new UserError(
      `${where}: ${COMMIT_FILE} has version ${String(version)}`,
      "use the release that wrote it, or a newer one",
    );
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw damaged(where, [issue?.path.join("."), issue?.message].filter(Boolean).join(": "));
}

function damaged(where: string, what: string): UserError {
  return new UserError(`${where}: ${COMMIT_FILE}: ${what}`, "choose another one: npx foundation backup list");
}
