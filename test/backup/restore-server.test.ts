import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DatabasePart } from "../../backup/commit.ts";
import { PrivateServer } from "../../backup/drill-database.ts";
import type { Run } from "../../backup/effects.ts";
import { createRun } from "../../backup/exec.ts";
import { measure } from "../../backup/files.ts";
import { databasesWithTables, restoreDatabase, type Server } from "../../backup/restore-database.ts";

// A real dump into a real server, where this machine has one.

const NOBODY = 65534;
const isRoot = process.geteuid?.() === 0;
const path = `/usr/lib/postgresql/18/bin:/usr/lib/postgresql/15/bin:${process.env["PATH"] ?? ""}`;
const hasServer = spawnSync("initdb", ["--version"], { env: { PATH: path } }).status === 0;
const base = createRun({ PATH: path, HOME: "/" }, new AbortController().signal);
const asNobody = [`--reuid=${String(NOBODY)}`, `--regid=${String(NOBODY)}`, "--clear-groups"];
// PostgreSQL refuses to run as root.
const run: Run = (program, args, options) =>
  isRoot ? base("setpriv", [...asNobody, program, ...args], options) : base(program, args, options);

describe.skipIf(!hasServer)("on a real server", () => {
  let directory: string;
  let server: PrivateServer;
  let target: Server;
  let dump: string;
  let part: DatabasePart;
  let version: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "restore-"));
    const own = join(directory, "s");
    const passwordFile = join(directory, "pgpass");
    writeFileSync(passwordFile, "*:*:*:*:unused\n", { mode: 0o600 });
    mkdirSync(own, { mode: 0o700 });
    for (const file of isRoot ? [directory, own, passwordFile] : []) chownSync(file, NOBODY, NOBODY);
    server = await PrivateServer.start(run, own);
    target = { effects: { run }, address: `${own}:5432`, passwordFile };
    for (const role of ["forgejo", "backup"]) await server.query("postgres", `CREATE ROLE ${role} LOGIN`);
    await server.query("postgres", "CREATE DATABASE forgejo OWNER forgejo");
    await server.query("postgres", "REVOKE ALL ON DATABASE forgejo FROM PUBLIC");
    await server.query("postgres", "GRANT CONNECT ON DATABASE forgejo TO backup");
    const tables = 'SET ROLE forgejo; CREATE TABLE "user" (id int PRIMARY KEY); CREATE TABLE empty ()';
    await server.query("forgejo", `${tables}; INSERT INTO "user" SELECT generate_series(1, 5000)`);
    dump = join(directory, "forgejo.dump");
    const args = [
      "--host",
      own,
      "--username",
      "postgres",
      "--format=custom",
      "--compress=0",
      "--file",
      dump,
      "forgejo",
    ];
    expect((await run("pg_dump", args, { timeoutSeconds: 60 })).stderr).toBe("");
    chmodSync(dump, 0o644);
    part = { name: "forgejo", ...(await measure(dump)), tables: { "public.user": 5000, "public.empty": 0 } };
    version = await server.query("postgres", "SHOW server_version");
  }, 60_000);
  afterAll(async () => {
    await server.stop();
    rmSync(directory, { recursive: true });
  });

  const about = (): Promise<string> =>
    server.query("postgres", "SELECT datdba::regrole, datacl FROM pg_database WHERE datname = 'forgejo'");

  it("a database comes back with its rows, its owner and who may connect to it, whatever is there", async () => {
    const before = await about();
    expect(before).toMatch(/^forgejo\t\{forgejo=CTc\/forgejo,backup=c\/forgejo\}$/);
    const changes = [
      () => server.query("forgejo", 'DELETE FROM "user"; CREATE TABLE other ()'),
      // as a restore that was killed leaves it
      () => server.query("postgres", "DROP DATABASE forgejo"),
      () => server.query("forgejo", 'DROP TABLE "user"'),
    ];
    for (const change of changes) {
      await change();
      await restoreDatabase(target, dump, part, version);
      expect(await about()).toBe(before);
      expect(await server.query("forgejo", 'SELECT count(*), max(id) FROM "user"')).toBe("5000\t5000");
      expect(await server.query("forgejo", "SELECT tableowner FROM pg_tables WHERE tablename = 'user'")).toBe(
        "forgejo",
      );
      expect(await databasesWithTables(target, ["forgejo", "missing"])).toEqual(["forgejo"]);
    }
  }, 60_000);

  it("what is connected does not stand in the way", async () => {
    const sleeping = server.query("forgejo", "SELECT pg_sleep(60)").catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await restoreDatabase(target, dump, part, version);
    expect(await sleeping).toBeInstanceOf(Error);
  }, 60_000);

  it("a dump that was cut off is known before anything is dropped, and rows that are missing after", async () => {
    await expect(restoreDatabase(target, dump, { ...part, bytes: part.bytes - 1 }, version)).rejects.toThrow(
      /not the one/,
    );
    expect(await databasesWithTables(target, ["forgejo"])).toEqual(["forgejo"]);
    const tables = { "public.user": 5001, "public.empty": 0 };
    await expect(restoreDatabase(target, dump, { ...part, tables }, version)).rejects.toMatchObject({
      message: "postgres: forgejo: not the rows of the backup: public.user 5001",
    });
  }, 60_000);

  it("the dump of a newer server is refused", async () => {
    await expect(restoreDatabase(target, dump, part, "99.1")).rejects.toThrow("the backup is of version 99.1");
  });
});
