import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { EXIT, UserError } from "../errors.ts";
import type { DatabasePart } from "./commit.ts";
import type { Run } from "./effects.ts";

/** Superuser of the private server; nobody else can reach it. */
const USER = "postgres";
const START_SECONDS = 120;
const RESTORE_SECONDS = 3600;
const QUERY_SECONDS = 600;
const PSQL = ["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--set=ON_ERROR_STOP=1"];

/** The same form as the counts in a commit marker. */
export const COUNT_ROWS = `SELECT json_object_agg(format('%s.%s', schemaname, tablename), (xpath('/row/n/text()', query_to_xml(
  format('SELECT count(*) AS n FROM %I.%I', schemaname, tablename), false, true, '')))[1]::text::bigint)
  FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`;

/**
 * A PostgreSQL of the drill's own, on a socket in its own directory: it listens on no network, so that what is restored
 * can neither reach the real one nor be mistaken for it.
 */
export class PrivateServer {
  readonly #run: Run;
  readonly #directory: string;

  private constructor(run: Run, directory: string) {
    this.#run = run;
    this.#directory = directory;
  }

  /**
   * Makes and starts one.
   *
   * @param directory of the drill, whose path is at most 80 characters long
   * @throws UserError (host) where it does not start: that says nothing about the backup
   */
  static async start(run: Run, directory: string): Promise<PrivateServer> {
    const server = new PrivateServer(run, directory);
    const data = join(directory, "data");
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const settings = ["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"];
    await server.#prepare("initdb", ["--pgdata", data, ...settings]);
    const options = `-c listen_addresses='' -c unix_socket_directories='${directory}' -c fsync=off -c shared_buffers=32MB`;
    const log = join(directory, "server.log");
    await server.#prepare("pg_ctl", [
      "start",
      "--wait",
      "--silent",
      "--pgdata",
      data,
      "--log",
      log,
      "--options",
      options,
    ]);
    return server;
  }

  async #prepare(program: string, args: readonly string[]): Promise<void> {
    const { exitCode, stderr, stdout } = await this.#run(program, args, { timeoutSeconds: START_SECONDS });
    if (exitCode === 0) return;
    const reason = lastLine(stderr) ?? lastLine(stdout) ?? `exit code ${String(exitCode)}`;
    throw new UserError(
      `drill: a PostgreSQL of its own does not start: ${reason}`,
      "free memory and disk on the VM: free -m; df -h",
      EXIT.host,
    );
  }

  /** Restores a dump into a new database. @throws UserError (failed) where the dump cannot be restored */
  async restore(database: string, dump: string): Promise<void> {
    await this.query("postgres", `CREATE DATABASE "${database}" TEMPLATE template0`);
    // The roles of the original are not there, and who owns what is not looked at.
    const args = ["--no-owner", "--no-privileges", "--exit-on-error", "--dbname", database, dump];
    const { exitCode, stderr } = await this.#client("pg_restore", args, RESTORE_SECONDS);
    if (exitCode !== 0) throw bad(`database ${database}: cannot be restored: ${lastLine(stderr) ?? "no reason given"}`);
  }

  /** Compares a restored database with what the marker says. @returns one line for each table that is different */
  async compareRows(part: DatabasePart): Promise<string[]> {
    const counted = (JSON.parse((await this.query(part.name, COUNT_ROWS)) || "{}") ?? {}) as Record<string, number>;
    const tables = [...new Set([...Object.keys(part.tables), ...Object.keys(counted)])].sort();
    return tables.flatMap((table) => {
      const [expected, found] = [part.tables[table], counted[table]];
      if (expected === found) return [];
      const say = (rows: number | undefined) => (rows === undefined ? "no such table" : `${String(rows)} rows`);
      return [`database ${part.name}: ${table}: ${say(found)}, backed up were ${say(expected)}`];
    });
  }

  /**
   * Answer of a query: a line for each row, columns separated by tabs.
   *
   * @throws UserError (host) where the query does not fit the database: that is no verdict on the backup
   */
  async query(database: string, sql: string): Promise<string> {
    const args = [...PSQL, "--field-separator", "\t", "--dbname", database, "--command", sql];
    const { exitCode, stdout, stderr } = await this.#client("psql", args, QUERY_SECONDS);
    if (exitCode === 0) return stdout.trimEnd();
    const reason = /(?:ERROR|FATAL): +(.*)/.exec(stderr)?.[1] ?? lastLine(stderr) ?? "no reason given";
    throw new UserError(`database ${database}: ${reason}`, "report this", EXIT.host);
  }

  /** Stops it at once; its data goes with the drill's directory. */
  async stop(): Promise<void> {
    const args = ["stop", "--silent", "--mode", "immediate", "--pgdata", join(this.#directory, "data")];
    await this.#run("pg_ctl", args, { timeoutSeconds: 60 });
  }

  #client(program: string, args: readonly string[], timeoutSeconds: number) {
    return this.#run(program, ["--host", this.#directory, "--username", USER, ...args], { timeoutSeconds });
  }
}

function bad(message: string): UserError {
  return new UserError(
    message,
    "npx foundation backup now, then the drill again: if that fails too, the job is at fault",
  );
}

function lastLine(text: string): string | undefined {
  return text
    .split("\n")
    .map((line) => line.trim())
    .findLast((line) => line !== "");
}
