import { EXIT, UserError } from "../errors.ts";
import type { DatabasePart } from "./commit.ts";
import type { Effects, Finished, RunOptions } from "./effects.ts";
import { measure } from "./files.ts";

const QUERY_SECONDS = 300;
const RESTORE_SECONDS = 6 * 3600;
const LOOK = "docker logs --tail 50 postgres (on the VM)";
const PSQL = ["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--set=ON_ERROR_STOP=1"];

/** The server that databases are restored to, as its superuser. */
export interface Server {
  readonly effects: Pick<Effects, "run">;
  /** HOST:PORT */
  readonly address: string;
  /** in the form that PostgreSQL's clients read */
  readonly passwordFile: string;
}

/** Arguments that create a database with everything that it had: owner, rights, encoding. `--create` makes it first. */
export function restoreDatabaseArguments(dump: string): string[] {
  return ["--create", "--exit-on-error", "--jobs=2", "--dbname=postgres", dump];
}

/**
 * Puts a dump in the place of a database, and counts its rows.
 *
 * @param part what the backup says of it
 * @throws UserError where the dump is not that of the backup, the server is too old, or rows are missing
 */
export async function restoreDatabase(
  server: Server,
  dump: string,
  part: DatabasePart,
  version: string,
): Promise<void> {
  const { name, bytes, sha256 } = part;
  const found = await measure(dump);
  if (found.bytes !== bytes || found.sha256 !== sha256) {
    throw new UserError(`postgres: the dump of ${name} is not the one that the backup describes`, CHOOSE_ANOTHER);
  }
  await requireVersion(server, version);
  // FORCE: an earlier attempt may have left its connections.
  await query(server, "postgres", `DROP DATABASE IF EXISTS "${name}" WITH (FORCE);`);
  const finished = await run(server, "pg_restore", restoreDatabaseArguments(dump), { timeoutSeconds: RESTORE_SECONDS });
  if (finished.exitCode !== 0) throw failed(`database ${name}`, finished.stderr);
  await compareRows(server, part);
}

/** Names of the databases that have tables of somebody's. */
export async function databasesWithTables(server: Server, names: readonly string[]): Promise<string[]> {
  const existing = await query(server, "postgres", "SELECT datname FROM pg_database;");
  const there = names.filter((name) => existing.split("\n").includes(name));
  const filled: string[] = [];
  for (const name of there) {
    const text = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema');";
    if ((await query(server, name, text)) !== "0") filled.push(name);
  }
  return filled;
}

/** An older server may not understand a newer one's dump, or worse, may almost do. */
async function requireVersion(server: Server, version: string): Promise<void> {
  const own = (await query(server, "postgres", "SHOW server_version;")).split(" ")[0] ?? "";
  if (parseInt(own, 10) >= parseInt(version, 10)) return;
  throw new UserError(
    `postgres: the backup is of version ${version}, the server is of version ${own}`,
    `deploy PostgreSQL ${String(parseInt(version, 10))} or newer: pulumi config set --path foundation:images.postgres …`,
    EXIT.refused,
  );
}

/** SQL that counts the rows of each table: `NAME COUNT`, a line each. */
export function countRows(tables: readonly string[]): string {
  const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
  const identifier = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const counts = tables.map((table) => {
    const dot = table.indexOf(".");
    const [schema, name] = [table.slice(0, dot), table.slice(dot + 1)];
    return `SELECT ${literal(table)} || ' ' || count(*) FROM ${identifier(schema)}.${identifier(name)}`;
  });
  return `${counts.join("\nUNION ALL ")};`;
}

async function compareRows(server: Server, { name, tables }: DatabasePart): Promise<void> {
  const expected = Object.entries(tables).map(([table, rows]) => `${table} ${String(rows)}`);
  if (expected.length === 0) return;
  const found = new Set((await query(server, name, countRows(Object.keys(tables)))).split("\n"));
  const wrong = expected.filter((line) => !found.has(line));
  if (wrong.length === 0) return;
  throw new UserError(`postgres: ${name}: not the rows of the backup: ${wrong.slice(0, 3).join(", ")}`, CHOOSE_ANOTHER);
}

const CHOOSE_ANOTHER = "choose another backup: npx foundation backup list";

async function query(server: Server, database: string, text: string): Promise<string> {
  const finished = await run(server, "psql", [...PSQL, database], { timeoutSeconds: QUERY_SECONDS, input: text });
  if (finished.exitCode !== 0) throw failed(database, finished.stderr);
  return finished.stdout.trim();
}

function run({ effects, address, passwordFile }: Server, program: string, args: string[], options: RunOptions) {
  const [host = "", port = ""] = address.split(":");
  const env = { PGHOST: host, PGPORT: port, PGUSER: "postgres", PGPASSFILE: passwordFile, PGCONNECT_TIMEOUT: "10" };
  return effects.run(program, args, { ...options, env });
}

function failed(what: string, stderr: Finished["stderr"]): UserError {
  const lines = stderr.split("\n").map((line) => line.replace(/^(psql|pg_restore): /, "").trim());
  return new UserError(`postgres: ${what}: ${lines.find((line) => line !== "") ?? "no message"}`, LOOK);
}
