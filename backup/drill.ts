import { mkdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { EXIT, UserError } from "../errors.ts";
import { verifySnapshot } from "../unseal-helper/snapshot-archive.ts";
import { compareCanaries, hasCanary } from "./canary.ts";
import { COMMIT_FILE, parseCommit, type Commit } from "./commit.ts";
import { PrivateServer } from "./drill-database.ts";
import { checkRepositories } from "./drill-git.ts";
import { compareObjects, parseNamedObjects } from "./drill-objects.ts";
import { DrillRecord, NOT_THE_BACKUP, type DrillReport } from "./drill-record.ts";
import { canaryOf, canaryRepository } from "./forge.ts";
import { measure, replaceFile } from "./files.ts";
import type { Job } from "./job.ts";
import { CANARY_KEY } from "./mirror.ts";
import { layout, type Layout } from "./paths.ts";
import { ROLE } from "./postgres.ts";
import { probeOffsite } from "./probe.ts";
import { Progress } from "./progress.ts";
import { parsePackedRefs } from "./refs.ts";
import { restoreRefs } from "./restore-git.ts";
import { requireRoom } from "./room.ts";

/** A whole restore of a large set over a slow line. */
const RESTORE_SECONDS = 12 * 3600;

/** What the phases share. */
interface Drill {
  readonly job: Job;
  readonly record: DrillRecord;
  /** everything that the drill writes; removed at its end */
  readonly directory: string;
  /** where the set is restored to, with the paths it was saved under */
  readonly restored: string;
  /** the layout of the volume as it was, below `restored` */
  readonly held: Layout;
}

/**
 * Proves that the newest backup can be restored: brings it back into a directory of its own, with a database server of
 * its own, and compares the stores with each other and with the marker. Touches nothing that is in use.
 *
 * @param keep leave the restored files for a further check; the caller removes them
 */
export async function drill(job: Job, { keep = false }: { keep?: boolean } = {}): Promise<DrillReport> {
  const { drill: directory } = job.layout;
  const restored = join(directory, "restored");
  const record = new DrillRecord(job.effects);
  const context = { job, record, directory, restored, held: layout({ state: join(restored, job.roots.state) }) };
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { mode: 0o700 });
  try {
    await runPhases(context);
  } finally {
    // The server's files go even where the restored ones stay.
    await rm(keep ? join(directory, "server") : directory, { recursive: true, force: true });
  }
  const report = record.report(job.plan.owner);
  await mkdir(dirname(job.layout.drillReport), { recursive: true });
  await replaceFile(job.layout.drillReport, `${JSON.stringify(report, undefined, 2)}\n`);
  return report;
}

async function runPhases(drill: Drill): Promise<void> {
  const { record, job } = drill;
  const commit = await record.phase("newest backup", () => findNewest(drill));
  if (commit === undefined) return;
  record.of(commit);
  if ((await record.phase("restore", () => restore(drill, commit))) === undefined) return;
  await record.phase("git", () => checkGit(drill, commit));
  await record.phase("Vault", () => checkVault(drill, commit));
  const server = await record.phase("database server", async () => {
    const started = await PrivateServer.start(job.effects.run, join(drill.directory, "server"));
    return { detail: "on a socket of its own, without a network", problems: [], value: started };
  });
  if (server === undefined) return;
  try {
    for (const part of commit.postgres.databases) {
      await record.phase(`database ${part.name}`, () => checkDatabase(drill, server, part));
    }
    for (const { name, references } of job.plan.databases) {
      for (const reference of references) {
        await record.phase(reference.what, () => checkReferences(drill, server, name, reference));
      }
    }
    await record.phase("canary", () => checkCanary(drill, server, commit));
  } finally {
    await server.stop();
  }
}

async function findNewest({ job }: Drill) {
  await probeOffsite(job.effects, job.repository, job.credentials.offsiteCa);
  const snapshots = await job.restic.snapshots("commit");
  for (const { id } of snapshots) {
    const commit = await job.restic.read(id, `/${COMMIT_FILE}`).then(
      (text) => parseCommit(id.slice(0, 8), text),
      () => undefined,
    );
    if (commit?.owner !== job.plan.owner) continue;
    return { detail: `${commit.snapshot.slice(0, 8)}, finished ${commit.finished}`, problems: [], value: commit };
  }
  throw new UserError("drill: there is no backup yet", "npx foundation backup now", EXIT.attention);
}

async function restore({ job, directory, restored }: Drill, commit: Commit) {
  const { bytes: total, files } = await requireRoom(job, "drill", commit.snapshot, directory);
  const progress = new Progress(job.effects, "restore", total);
  const onLine = (line: string) => {
    const restoredBytes = /"bytes_restored":(\d+)/.exec(line)?.[1];
    if (restoredBytes !== undefined) progress.set(Number(restoredBytes));
  };
  const args = ["restore", "--json", "--no-lock", commit.snapshot, "--target", restored];
  await job.restic.run(args, { timeoutSeconds: RESTORE_SECONDS, onLine }).catch((error: unknown) => {
    if (!(error instanceof UserError) || !NOT_THE_BACKUP.test(error.message)) throw error;
    throw new UserError(error.message, error.hint, EXIT.unreachable);
  });
  return { detail: `${String(files)} files, ${String(total)} bytes`, problems: [], value: total };
}

async function checkGit({ job, restored, held }: Drill, commit: Commit) {
  const tree = job.plan.trees.find(({ git }) => git !== undefined);
  const root = join(restored, tree?.path ?? "", tree?.git ?? "");
  await restoreRefs(held.refs, root);
  const { compared, refs, problems } = await checkRepositories(root);
  const { repositories, refs: expected } = commit.git;
  const counts =
    compared === repositories && refs === expected
      ? []
      : [
          `git: ${String(compared)} repositories with ${String(refs)} references, backed up were ${String(repositories)} with ${String(expected)}`,
        ];
  const detail = `${String(compared)} repositories, ${String(refs)} references lead to an object, packs are whole`;
  return { detail, problems: [...problems, ...counts], value: compared };
}

async function checkVault({ held }: Drill, { vault }: Commit) {
  if (vault === null) return { detail: "not in this backup", problems: [], skipped: true as const, value: 0 };
  const { bytes, sha256 } = await verifySnapshot(held.vaultSnapshot);
  const problems =
    sha256 === vault.sha256 ? [] : [`Vault: the snapshot's hash is ${sha256}, backed up was ${vault.sha256}`];
  return { detail: `${String(bytes)} bytes, whole by its own checksums, of ${vault.taken}`, problems, value: bytes };
}

async function checkDatabase({ held }: Drill, server: PrivateServer, part: Commit["postgres"]["databases"][number]) {
  const dump = held.dump(part.name);
  const { sha256 } = await measure(dump);
  if (sha256 !== part.sha256)
    throw new UserError(
      `database ${part.name}: the dump is not the one that was backed up`,
      "npx foundation backup check",
    );
  await server.restore(part.name, dump);
  const problems = await server.compareRows(part);
  const tables = Object.values(part.tables);
  const rows = tables.reduce((sum, count) => sum + count, 0);
  return {
    detail: `${String(rows)} rows in ${String(tables.length)} tables, counted and compared`,
    problems,
    value: rows,
  };
}

async function checkReferences(
  { held }: Drill,
  server: PrivateServer,
  database: string,
  { what, bucket, query }: Job["plan"]["databases"][number]["references"][number],
) {
  const objects = parseNamedObjects(await server.query(database, query));
  const { compared, bytes, problems } = await compareObjects(what, objects, held.mirror(bucket));
  const hashed = objects.every(({ sha256 }) => sha256 !== undefined) ? "size and SHA-256" : "size";
  return {
    detail: `${String(compared)} named by the database, ${String(bytes)} bytes: ${hashed} as it says`,
    problems,
    value: 0,
  };
}

async function checkCanary({ job, held }: Drill, server: PrivateServer, commit: Commit) {
  const { run, postgres } = commit;
  const found = new Map<string, string>();
  const [bucket] = job.plan.buckets;
  if (bucket !== undefined) {
    found.set("object", (await readFile(join(held.mirror(bucket), CANARY_KEY), "utf8").catch(() => "none")).trim());
  }
  if (postgres.databases.some(({ name }) => name === ROLE)) {
    found.set("row", await server.query(ROLE, "SELECT run FROM canary"));
  }
  if (hasCanary(commit, "git")) {
    const refs = join(held.refs, canaryRepository(job.plan), "packed-refs");
    const ids = parsePackedRefs(await readFile(refs, "utf8").catch(() => ""));
    found.set("git tag", canaryOf(ids.keys(), run));
  }
  // Vault's is in its snapshot, which only the shares open: a rebuild compares it.
  return { detail: `run ${run} in: ${[...found.keys()].join(", ")}`, problems: compareCanaries(run, found), value: 0 };
}
