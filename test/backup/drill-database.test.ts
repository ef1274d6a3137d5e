import { chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PrivateServer } from "../../backup/drill-database.ts";
import type { Run } from "../../backup/effects.ts";
import { createRun } from "../../backup/exec.ts";
import { FORGEJO_BACKUP } from "../../components/forgejo-backup.ts";
import { EXIT } from "../../errors.ts";

const NOBODY = 65534;
const isRoot = process.geteuid?.() === 0;
const path = `/usr/lib/postgresql/18/bin:/usr/lib/postgresql/15/bin:${process.env["PATH"] ?? ""}`;
const hasServer = spawnSync("initdb", ["--version"], { env: { PATH: path } }).status === 0;
// PostgreSQL refuses to run as root.
const base = createRun({ PATH: path, HOME: "/" }, new AbortController().signal);
const run: Run = (program, args, options) =>
  isRoot
    ? base(
        "setpriv",
        [`--reuid=${String(NOBODY)}`, `--regid=${String(NOBODY)}`, "--clear-groups", program, ...args],
        options,
      )
    : base(program, args, options);

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "drill-"));
  if (isRoot) chownSync(directory, NOBODY, NOBODY);
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

test("a server that cannot be started says nothing about the backup", async () => {
  const broken: Run = () => Promise.resolve({ exitCode: 1, stdout: "", stderr: "initdb: no space\n" });
  await expect(PrivateServer.start(broken, join(directory, "none"))).rejects.toMatchObject({
    message: "drill: a PostgreSQL of its own does not start: initdb: no space",
    exitCode: EXIT.host,
  });
});

describe.skipIf(!hasServer)("a server of its own", () => {
  let server: PrivateServer;
  let dump: string;
  beforeAll(async () => {
    const own = join(directory, "s");
    spawnSync("install", ["-d", "-m", "0700", "-o", String(isRoot ? NOBODY : process.getuid?.()), own]);
    server = await PrivateServer.start(run, own);
    await server.query("postgres", "CREATE DATABASE source");
    await server.query("source", 'CREATE TABLE "A b" (id int); INSERT INTO "A b" SELECT generate_series(1, 3)');
    await server.query("source", "CREATE SCHEMA x; CREATE TABLE x.empty (id int)");
    dump = join(directory, "forgejo.dump");
    const args = ["--host", own, "--username", "postgres", "--format=custom", "--compress=0", "--file", dump, "source"];
    expect((await run("pg_dump", args, { timeoutSeconds: 60 })).stderr).toBe("");
  }, 60_000);
  afterAll(() => server.stop());

  test("restores a dump and counts its rows", async () => {
    await server.restore("forgejo", dump);
    const part = { name: "forgejo", bytes: statSync(dump).size, sha256: "0".repeat(64) };
    expect(await server.compareRows({ ...part, tables: { "public.A b": 3, "x.empty": 0 } })).toEqual([]);
    expect(await server.compareRows({ ...part, tables: { "public.A b": 4, "public.gone": 1 } })).toEqual([
      "database forgejo: public.A b: 3 rows, backed up were 4 rows",
      "database forgejo: public.gone: no such table, backed up were 1 rows",
      "database forgejo: x.empty: 0 rows, backed up were no such table",
    ]);
    expect(await server.query("forgejo", "SELECT id, 'x' FROM \"A b\" ORDER BY id")).toBe("1\tx\n2\tx\n3\tx");
  });

  test("what is asked before and after a capture tells a repository that came, went, moved or got another name", async () => {
    await server.query("postgres", "CREATE DATABASE layout");
    const change = (sql: string) => server.query("layout", sql);
    await change("CREATE TABLE repository (id bigint, owner_name text, lower_name text, description text)");
    const layout = () => change(FORGEJO_BACKUP.databases?.[0]?.layout ?? "");
    const seen = [await layout()];
    for (const sql of [
      "INSERT INTO repository VALUES (1, 'Ops', 'site', ''), (2, 'Ops', 'docs', '')",
      "UPDATE repository SET lower_name = 'web' WHERE id = 1",
      "UPDATE repository SET owner_name = 'Team' WHERE id = 1",
      "DELETE FROM repository WHERE id = 1",
      "INSERT INTO repository VALUES (3, 'Team', 'web', '')",
    ]) {
      await change(sql);
      seen.push(await layout());
    }
    expect(new Set(seen).size).toBe(6);
    await change("UPDATE repository SET description = 'other'");
    expect(await layout()).toBe(seen.at(-1));
  });

  test("listens on no network", async () => {
    expect(await server.query("postgres", "SHOW listen_addresses")).toBe("");
  });

  test("what cannot be restored is the backup's fault", async () => {
    const broken = join(directory, "broken.dump");
    writeFileSync(broken, "PGDMP broken");
    await expect(server.restore("other", broken)).rejects.toMatchObject({ exitCode: EXIT.failed });
  });

  test("a query that does not fit the database is no verdict", async () => {
    await expect(server.query("forgejo", "SELECT * FROM nothing")).rejects.toMatchObject({
      message: 'database forgejo: relation "nothing" does not exist',
      exitCode: EXIT.host,
    });
  });
});
