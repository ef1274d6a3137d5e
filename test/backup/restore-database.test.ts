import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import type { Finished, Run } from "../../backup/effects.ts";
import { measure } from "../../backup/files.ts";
import { countRows, databasesWithTables, restoreDatabase } from "../../backup/restore-database.ts";

const directory = mkdtempSync(join(tmpdir(), "restore-database-"));
const dump = join(directory, "forgejo.dump");
writeFileSync(dump, "PGDMP");
afterAll(() => rmSync(directory, { recursive: true }));

/** A server that answers each statement, and keeps what was asked. */
function server(answer: (program: string, text: string) => string | Partial<Finished>) {
  const calls: string[] = [];
  const run: Run = (program, args, { input = "", env }) => {
    expect(env).toEqual({
      PGHOST: "postgres",
      PGPORT: "5432",
      PGUSER: "postgres",
      PGPASSFILE: "/tmp/pgpass",
      PGCONNECT_TIMEOUT: "10",
    });
    calls.push(
      [program, ...args.filter((word) => !word.startsWith("--no-") && !/^--(tuples|quiet|set)/.test(word)), input]
        .join(" ")
        .trim(),
    );
    const given = answer(program, input);
    const finished = typeof given === "string" ? { stdout: given } : given;
    return Promise.resolve({ exitCode: 0, stdout: "", stderr: "", ...finished });
  };
  return { calls, effects: { run }, address: "postgres:5432", passwordFile: "/tmp/pgpass" };
}

const part = async () => ({ name: "forgejo", ...(await measure(dump)), tables: { "public.user": 2, 'public.a"b': 0 } });
const COUNT = `SELECT 'public.user' || ' ' || count(*) FROM "public"."user"
UNION ALL SELECT 'public.a"b' || ' ' || count(*) FROM "public"."a""b";`;

describe("a database", () => {
  const answers =
    (rows: string, version = "18.6 (Debian)") =>
    (program: string, text: string) =>
      program === "pg_restore" ? "" : text.startsWith("SHOW") ? version : text.startsWith("SELECT") ? rows : "";

  it("is replaced as a whole, by the superuser, and its rows are counted", async () => {
    const target = server(answers('public.user 2\npublic.a"b 0\n'));
    await restoreDatabase(target, dump, await part(), "18.6");
    expect(target.calls).toEqual([
      "psql postgres SHOW server_version;",
      'psql postgres DROP DATABASE IF EXISTS "forgejo" WITH (FORCE);',
      `pg_restore --create --exit-on-error --jobs=2 --dbname=postgres ${dump}`,
      `psql forgejo ${COUNT}`,
    ]);
    expect(countRows(["public.user", 'public.a"b'])).toBe(COUNT);
  });

  it("whose rows are not those of the backup is named", async () => {
    await expect(
      restoreDatabase(server(answers('public.user 1\npublic.a"b 0')), dump, await part(), "18.6"),
    ).rejects.toMatchObject({
      message: "postgres: forgejo: not the rows of the backup: public.user 2",
    });
  });

  it("is not touched by a dump that was changed, or is for a newer server", async () => {
    const changed = server(() => "");
    await expect(
      restoreDatabase(changed, dump, { ...(await part()), sha256: "0".repeat(64) }, "18.6"),
    ).rejects.toMatchObject({
      message: "postgres: the dump of forgejo is not the one that the backup describes",
    });
    expect(changed.calls).toEqual([]);
    const older = server(answers("", "17.4"));
    await expect(restoreDatabase(older, dump, await part(), "18.6")).rejects.toMatchObject({
      message: "postgres: the backup is of version 18.6, the server is of version 17.4",
      hint: "deploy PostgreSQL 18 or newer: pulumi config set --path foundation:images.postgres …",
      exitCode: EXIT.refused,
    });
    expect(older.calls).toHaveLength(1);
  });

  it("that cannot be restored says why", async () => {
    const target = server((program, text) =>
      program === "pg_restore"
        ? { exitCode: 1, stderr: "pg_restore: error: role x\n" }
        : text.startsWith("SHOW")
          ? "18.6"
          : "",
    );
    await expect(restoreDatabase(target, dump, await part(), "18.6")).rejects.toMatchObject({
      message: "postgres: database forgejo: error: role x",
    });
  });

  it("with tables is data; one without, or none at all, is not", async () => {
    const target = server((_program, text) => (text.includes("pg_database") ? "postgres\nforgejo\nbackup" : "12"));
    expect(await databasesWithTables(target, ["forgejo", "other"])).toEqual(["forgejo"]);
    expect(
      await databasesWithTables(
        server((_, text) => (text.includes("pg_database") ? "forgejo" : "0")),
        ["forgejo"],
      ),
    ).toEqual([]);
  });
});
