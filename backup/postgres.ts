import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { UserError } from "../errors.ts";
import type { DatabasePart } from "./commit.ts";
import type { RunOptions } from "./effects.ts";
import { measure, replaceIfDifferent } from "./files.ts";
import type { Job } from "./job.ts";

/** The role that the job logs in as, and a database of its own. */
export const ROLE = "backup";

const LOOK = "docker logs --tail 50 postgres (on the VM)";
const DUMP_SECONDS = 3600;
const QUERY_SECONDS = 60;
// Not aligned, rows only, quiet, no ~/.psqlrc.
const PSQL = ["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--set=ON_ERROR_STOP=1", "--field-separator=\t"];

/** What {@link dumpDatabases} has found. */
export interface CapturedDatabases {
  /** version of the server */
  readonly server: string;
  readonly databases: readonly DatabasePart[];
}

/**
 * Dumps every database, uncompressed, because restic then finds what has not changed, and the roles.
 *
 * @throws UserError
 */
export async function dumpDatabases(job: Job): Promise<CapturedDatabases> {
  await mkdir(dirname(job.layout.globals), { recursive: true });
  const databases: DatabasePart[] = [];
  let server = "";
  for (const { name } of job.plan.databases) {
    const dumped = await dump(job, name);
    server = dumped.server;
    databases.push(dumped.part);
  }
  await dumpGlobals(job);
  return { server, databases };
}

/**
 * Text for psql that dumps a database and counts its rows, both in one and the same transaction. pg_dump runs inside
 * of it, because the transaction must be open as long as it works.
 */
export function dumpScript(database: string, file: string): string {
  return `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_export_snapshot() AS snapshot \\gset
\\setenv SNAPSHOT :snapshot
\\! pg_dump --format=custom --compress=0 --lock-wait-timeout=10s --snapshot="$SNAPSHOT" --file='${file}' '${database}'; echo $?
SHOW server_version;
SELECT json_object_agg(format('%s.%s', schemaname, tablename), (xpath('/row/n/text()', query_to_xml(
  format('SELECT count(*) AS n FROM %I.%I', schemaname, tablename), false, true, '')))[1]::text::bigint ORDER BY 1)
  FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema');
COMMIT;
`;
}

async function dump(job: Job, database: string): Promise<{ server: string; part: DatabasePart }> {
  const target = job.layout.dump(database);
  const fresh = `${target}.${job.run}.new`;
  try {
    const output = await psql(job, database, dumpScript(database, fresh), DUMP_SECONDS);
    const [exitCode, version = "", ...rows] = output.stdout.trim().split("\n");
    if (exitCode !== "0") throw failed(`dump of ${database}`, output.stderr);
    await check(job, fresh, database);
    const { bytes, sha256 } = await measure(fresh);
    await rename(fresh, target);
    const tables = JSON.parse(rows.join("\n") || "{}") as Record<string, number> | null;
    return { server: version.split(" ")[0] ?? "", part: { name: database, bytes, sha256, tables: tables ?? {} } };
  } finally {
    await rm(fresh, { force: true });
  }
}

/** Reads the dump's table of contents, which is written last. */
async function check(job: Job, file: string, database: string): Promise<void> {
  const { exitCode, stderr } = await job.effects.run("pg_restore", ["--list", file], options(job, QUERY_SECONDS));
  if (exitCode !== 0) throw failed(`dump of ${database}`, stderr);
}

async function dumpGlobals(job: Job): Promise<void> {
  // By itself it would go to `postgres` or `template1`, into which nobody gets but the superuser.
  const args = ["--globals-only", "--no-role-passwords", `--database=${ROLE}`];
  const { exitCode, stdout, stderr } = await job.effects.run("pg_dumpall", args, options(job, QUERY_SECONDS));
  if (exitCode !== 0) throw failed("roles", stderr);
  // A newer pg_dumpall writes a random word into its output, to keep psql from being tricked by it.
  const text = stdout.replace(/^\\(un)?restrict .*$/gm, "");
  await replaceIfDifferent(job.layout.globals, text);
}

/**
 * What the databases say about files beside them: repositories and their names.
 *
 * @returns a text that is the same as long as none was created, renamed or deleted
 */
export async function readLayout(job: Job): Promise<string> {
  const answers: string[] = [];
  for (const { name, layout } of job.plan.databases) {
    if (layout !== undefined) answers.push(await queryDatabase(job, name, layout));
  }
  return answers.join();
}

/** Answer of a query: a line for each row, columns separated by tabs. @throws UserError */
export async function queryDatabase(job: Job, database: string, sql: string): Promise<string> {
  return (await psql(job, database, `${sql};\n`, QUERY_SECONDS)).stdout.trimEnd();
}

/** Writes the run's id into a table of its own, which the drill looks for. */
export async function writeDatabaseCanary(job: Job): Promise<void> {
  if (!job.plan.databases.some(({ name }) => name === ROLE)) return;
  const script = `SET client_min_messages = warning;
CREATE TABLE IF NOT EXISTS canary (one boolean PRIMARY KEY DEFAULT true CHECK (one), run uuid NOT NULL);
INSERT INTO canary (run) VALUES ('${job.run}') ON CONFLICT (one) DO UPDATE SET run = excluded.run;
`;
  await psql(job, ROLE, script, QUERY_SECONDS);
}

/** The id that is in that table. */
export async function readDatabaseCanary(job: Job): Promise<string> {
  return await queryDatabase(job, ROLE, "SELECT run FROM canary");
}

async function psql(job: Job, database: string, input: string, seconds: number) {
  const finished = await job.effects.run("psql", [...PSQL, database], { ...options(job, seconds), input });
  if (finished.exitCode !== 0) throw failed(database, finished.stderr);
  return finished;
}

function options({ plan, passwordFile }: Job, timeoutSeconds: number): RunOptions {
  const [host = "", port = ""] = plan.endpoints.postgres.split(":");
  const env = { PGHOST: host, PGPORT: port, PGUSER: ROLE, PGPASSFILE: passwordFile, PGCONNECT_TIMEOUT: "10" };
  return { timeoutSeconds, env };
}

function failed(what: string, stderr: string): UserError {
  const lines = stderr.split("\n").map((line) => line.replace(/^(psql|pg_dump|pg_dumpall|pg_restore): /, "").trim());
  return new UserError(`postgres: ${what}: ${lines.find((line) => line !== "") ?? "no message"}`, LOOK);
}
