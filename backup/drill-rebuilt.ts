import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { EXIT, UserError } from "../errors.ts";
import { compareCanaries } from "./canary.ts";
import { parseCommit, type Commit, type DatabasePart } from "./commit.ts";
import { COUNT_ROWS } from "./drill-database.ts";
import { checkRepositories } from "./drill-git.ts";
import { compareObjects, parseNamedObjects } from "./drill-objects.ts";
import { DrillRecord, type DrillReport } from "./drill-record.ts";
import type { Job } from "./job.ts";
import { queryDatabase } from "./postgres.ts";
import { findCanaries } from "./rebuilt.ts";
import { readSeal } from "./vault.ts";

/** Size by key. */
type Listing = ReadonlyMap<string, number>;

/**
 * Compares a foundation that was brought back, and runs, with the marker of the backup that it began with. It reads every
 * store through its own server, and writes to none.
 */
export async function drillRebuilt(job: Job): Promise<DrillReport> {
  const record = new DrillRecord(job.effects);
  const look: DrillRecord["phase"] = (name, act) => record.phase(name, () => act().catch(asError));
  const commit = await look("marker", () => readMarker(job));
  if (commit === undefined) return record.report(job.plan.owner);
  record.of(commit);
  await look("git", () => checkGit(job, commit));
  for (const part of commit.postgres.databases) {
    await look(`database ${part.name}`, () => checkTables(job, part));
  }
  for (const [bucket, expected] of Object.entries(commit.s3)) {
    const listing = await look(`bucket ${bucket}`, () => checkBucket(job, bucket, expected));
    for (const { name, references } of listing === undefined ? [] : job.plan.databases) {
      for (const reference of references.filter((each) => each.bucket === bucket)) {
        await look(reference.what, () => checkNamed(job, name, reference, listing ?? new Map()));
      }
    }
  }
  await look("Vault", () => checkVault(job, commit));
  await look("canary", () => checkCanaries(job, commit));
  return record.report(job.plan.owner);
}

/** A store that does not answer says nothing about the backup. */
function asError(error: unknown): never {
  if (!(error instanceof UserError) || error.exitCode !== EXIT.failed) throw error;
  throw new UserError(error.message, error.hint, EXIT.host);
}

async function readMarker({ layout }: Job) {
  const text = await readFile(layout.restored, "utf8").catch(() => {
    throw new UserError(
      "drill: this foundation did not begin with a backup",
      "npx foundation backup now",
      EXIT.attention,
    );
  });
  const commit = parseCommit("restored.json", text);
  return { detail: `${commit.snapshot.slice(0, 8)}, finished ${commit.finished}`, problems: [], value: commit };
}

async function checkGit({ plan }: Job, { git }: Commit) {
  const tree = plan.trees.find((each) => each.git !== undefined);
  const { compared, refs, problems } = await checkRepositories(join(tree?.path ?? "", tree?.git ?? ""));
  const found = `${String(compared)} repositories with ${String(refs)} references`;
  const isSame = compared === git.repositories && refs === git.refs;
  const backedUp = `git: ${found}, backed up were ${String(git.repositories)} with ${String(git.refs)}`;
  const detail = `${found}: each leads to an object, packs are whole`;
  return { detail, problems: [...problems, ...(isSame ? [] : [backedUp])], value: compared };
}

/** The rows were counted and compared before anything could change them, when they were restored. */
async function checkTables(job: Job, { name, tables }: DatabasePart) {
  const counted = JSON.parse((await queryDatabase(job, name, COUNT_ROWS)) || "{}") as Record<string, number> | null;
  const expected = Object.entries(tables);
  const missing = expected.filter(([table]) => counted?.[table] === undefined);
  const changed = expected.filter(([table, rows]) => (counted?.[table] ?? rows) !== rows).map(([table]) => table);
  const since = changed.length === 0 ? "the same now" : `since the forge runs, others in ${changed.join(", ")}`;
  return {
    detail: `${String(expected.length)} tables; rows compared when they were restored, ${since}`,
    problems: missing.map(([table]) => `database ${name}: ${table}: no such table`),
    value: expected.length,
  };
}

/** The mirror that a bucket is filled from also keeps for a while what was deleted: there may be more, not less. */
async function checkBucket({ effects }: Job, bucket: string, expected: Commit["s3"][string]) {
  const listing = new Map<string, number>();
  for await (const { key, bytes } of effects.objects.list(bucket)) listing.set(key, bytes);
  const bytes = [...listing.values()].reduce((sum, size) => sum + size, 0);
  const found = `${String(listing.size)} objects, ${String(bytes)} bytes`;
  const backedUp = `backed up were ${String(expected.objects)} objects, ${String(expected.bytes)} bytes`;
  const isLess = listing.size < expected.objects || bytes < expected.bytes;
  const problems = isLess ? [`bucket ${bucket}: ${found}, ${backedUp}`] : [];
  return { detail: `${found}; ${backedUp}`, problems, value: listing as Listing };
}

async function checkNamed(
  job: Job,
  database: string,
  { what, bucket, query }: Job["plan"]["databases"][number]["references"][number],
  listing: Listing,
) {
  const objects = parseNamedObjects(await queryDatabase(job, database, query));
  const absent = objects
    .filter(({ key, bytes }) => listing.get(key) !== bytes)
    .map(({ key }) => `${what}: ${key}: ${listing.has(key) ? "has another size in" : "is not in"} the bucket`);
  const { compared, problems } = await compareObjects(what, objects, job.layout.mirror(bucket));
  const detail = `${String(compared)} named by the database, in the bucket with that size; content by its hash`;
  return { detail, problems: [...absent, ...problems], value: compared };
}

async function checkVault(job: Job, { vault }: Commit) {
  if (vault === null) return { detail: "not in this backup", problems: [], skipped: true as const, value: "" };
  const { initialized, sealed, cluster_id: id = "none" } = await readSeal(job);
  const problems = !initialized
    ? ["Vault: not initialised, so the snapshot was not taken in"]
    : sealed
      ? ["Vault: sealed, so the shares do not open what was restored"]
      : id === vault.clusterId
        ? []
        : [`Vault: cluster ${id}, backed up was ${vault.clusterId}`];
  return { detail: `open, cluster ${id}`, problems, value: id };
}

async function checkCanaries(job: Job, commit: Commit) {
  const found = await findCanaries(job, commit, (store, error) => {
    throw new UserError(`canary: the ${store} is not known: ${error.message}`, "look at that store", EXIT.host);
  });
  const detail = `run ${commit.run} in: ${[...found.keys()].join(", ")}`;
  return { detail, problems: compareCanaries(commit.run, found), value: found.size };
}
