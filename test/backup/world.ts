import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Effects, Finished, HttpAnswer, HttpRequest, RunOptions } from "../../backup/effects.ts";
import { openJob, type Job } from "../../backup/job.ts";
import type { Plan } from "../../backup/plan.ts";
import { tarArchive } from "../../cli/backup-image/tar.ts";

export const OWNER = "0123456789abcdef";
export const VM_ID = "8f14e45fceea167a5a36dedd4bea2543";
export const CLUSTER = "11111111-2222-3333-4444-555555555555";
export const EPOCH = "99999999-8888-7777-6666-555555555555";

const sum = (content: string | Buffer): string => createHash("sha256").update(content).digest("hex");
const ok = (stdout = ""): Finished => ({ exitCode: 0, stdout, stderr: "" });
const fail = (exitCode: number, stderr: string): Finished => ({ exitCode, stdout: "", stderr });

/** A raft snapshot as Vault packs it. */
export function raftSnapshot(state = "state"): Buffer {
  const files = {
    "meta.json": "{}",
    "state.bin": state,
    SHA256SUMS: `${sum("{}")}  meta.json\n${sum(state)}  state.bin\n`,
    "SHA256SUMS.sealed": "x",
  };
  return gzipSync(tarArchive(Object.entries(files).map(([name, text]) => ({ name, content: Buffer.from(text) }))));
}

/** Everything around the job, in directories of its own; single things are made to fail by changing its fields. */
export class World {
  readonly directory = mkdtempSync(join(tmpdir(), "foundation-backup-"));
  readonly roots = {
    state: join(this.directory, "state"),
    files: join(this.directory, "files"),
    kit: join(this.directory, "kit"),
    vault: join(this.directory, "vault"),
  };
  readonly forgeData = join(this.directory, "forge");
  readonly said: string[] = [];
  /** programs and requests, in order */
  readonly calls: string[] = [];
  readonly objects = new Map([
    ["packages/ab/cd/abcd", "one"],
    ["lfs/12/34/5678", "two"],
  ]);
  /** milliseconds; each look at it takes a second */
  clock = Date.parse("2026-01-31T12:00:00.000Z");
  /** what the offsite answers to the probe; an error where it does not */
  probe: number | NodeJS.ErrnoException = 200;
  vault: "open" | "sealed" | "fresh" | "down" = "open";
  snapshot = raftSnapshot();
  postgres: "up" | "down" | "dump breaks" = "up";
  s3: "up" | "down" = "up";
  /** what the forge answers, by method; undefined where it does not answer */
  forge: Record<string, number> | undefined = { GET: 200, POST: 201, DELETE: 204 };
  tags: string[] = [];
  /** rows by table, as a database counts them outside of a dump */
  tables: Record<string, number> = {};
  /** objects that the database names */
  named: string[] = ["lfs/12/34/5678"];
  /** what is in the stores as the canary, besides objects and tags */
  readonly canaries = { row: "none", vault: "none" };
  /** Vault's answer to a write of the canary */
  vaultWrites = 200;
  locked = false;
  free = 10e9;
  /** exit codes of `restic backup` of a set, one after the other, then 0 */
  uploads: number[] = [];
  /** answers to the query for the layout, one after the other; the last one stays */
  layouts = ["a"];
  /** how long each `restic backup` of a set would wait for a lock, where it would */
  readonly lockWaits: (string | undefined)[] = [];
  /** what was given to restic as a marker */
  readonly markers: string[] = [];
  #ids = 0;

  constructor() {
    for (const path of [this.roots.files, this.roots.vault, this.forgeData]) mkdirSync(path, { recursive: true });
    writeFileSync(join(this.roots.vault, ".foundation-epoch"), `${EPOCH} STORED\n`);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }

  plan(): Plan {
    return {
      version: 1,
      owner: OWNER,
      vmId: VM_ID,
      everyMinutes: 15,
      offsite: { url: "rest:https://198.51.100.9:8000/foundation-x/", username: "foundation-x" },
      endpoints: {
        postgres: "postgres:5432",
        s3: "http://rustfs:9000",
        vault: "http://vault:8200",
        forge: "http://forgejo:3000",
      },
      canary: { account: "foundation-backup", repository: "canary" },
      s3Region: "us-east-1",
      databases: [
        { name: "backup", references: [] },
        {
          name: "forgejo",
          layout: "SELECT layout",
          references: [{ what: "LFS objects", bucket: "forgejo", prefix: "lfs/", query: "SELECT lfs" }],
        },
      ],
      buckets: ["forgejo"],
      trees: [{ volume: "forgejo-data", path: this.forgeData, git: "git/repositories", exclude: ["indexers", "tmp"] }],
    };
  }

  async job(): Promise<Job> {
    const credentials = {
      offsitePassword: "offsite-secret",
      offsiteCa: "CA",
      postgresPassword: "postgres-secret",
      s3AccessKey: "access-secret",
      s3SecretKey: "s3-secret",
      forgePassword: "forge-secret",
      vault: { roleId: "role", secretId: "vault-secret" },
    };
    return openJob(this.roots, { plan: this.plan(), credentials }, this.effects(), join(this.directory, "tmp"));
  }

  effects(): Effects {
    return {
      run: (program, args, options) => Promise.resolve(this.run(program, args, options)),
      request: (request) => this.request(request),
      objects: {
        list: async function* (this: World) {
          this.mustHaveS3();
          await Promise.resolve();
          for (const [key, text] of this.objects) yield { key, bytes: text.length, tag: sum(text) };
        }.bind(this),
        download: (_bucket, key, path) => {
          this.mustHaveS3();
          this.calls.push(`download ${key}`);
          const text = this.objects.get(key);
          if (text !== undefined) writeFileSync(path, text);
          return Promise.resolve(text !== undefined);
        },
        put: async (_bucket, key, text) => {
          await Promise.resolve();
          this.mustHaveS3();
          this.objects.set(key, text);
        },
      },
      lock: () => Promise.resolve(this.locked ? undefined : () => this.calls.push("unlock")),
      freeBytes: () => Promise.resolve(this.free),
      now: () => new Date((this.clock += 1000)),
      newId: () => `00000000-0000-4000-8000-${String((this.#ids += 1)).padStart(12, "0")}`,
      report: (line) => this.said.push(line),
    };
  }

  /** every file below a directory with its content */
  tree(directory: string): Record<string, string> {
    const entries = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const paths = entries.map(({ parentPath, name }) => join(parentPath, name));
    return Object.fromEntries(
      paths.sort().map((path) => [path.slice(directory.length + 1), readFileSync(path, "utf8")]),
    );
  }

  private mustHaveS3(): void {
    if (this.s3 === "down") throw Object.assign(new Error(), { code: "ECONNREFUSED" });
  }

  private run(program: string, args: readonly string[], { input = "" }: RunOptions): Finished {
    this.calls.push(`${program} ${program === "restic" ? args[0] : (args.at(-1) ?? "")}`);
    switch (program) {
      case "psql":
        return this.psql(input);
      case "pg_restore":
        return ok();
      case "pg_dumpall":
        return ok("\\restrict abc\nCREATE ROLE forgejo;\n");
      case "restic":
        return this.restic(args, input);
      default:
        throw new Error(`unexpected program: ${program}`);
    }
  }

  private psql(input: string): Finished {
    if (this.postgres === "down") {
      return fail(
        2,
        'psql: error: connection to server at "postgres" (172.30.14.2), port 5432 failed: Connection refused\n',
      );
    }
    if (input.startsWith("SELECT layout"))
      return ok(`${(this.layouts.length > 1 ? this.layouts.shift() : this.layouts[0]) ?? ""}\n`);
    if (input.startsWith("SELECT lfs")) return ok(this.named.map((key) => `${key}\t3\t\n`).join(""));
    if (input.startsWith("SELECT json_object_agg")) return ok(`${JSON.stringify(this.tables)}\n`);
    if (input.startsWith("SELECT run")) return ok(`${this.canaries.row}\n`);
    this.canaries.row = /INSERT INTO canary \(run\) VALUES \('([^']+)'\)/.exec(input)?.[1] ?? this.canaries.row;
    const file = /--file='([^']+)' '(\w+)'/.exec(input);
    if (file === null) return ok();
    if (this.postgres === "dump breaks") {
      return {
        exitCode: 0,
        stdout: "1\n18.6\n{}\n",
        stderr: "pg_dump: error: terminating connection due to administrator command\n",
      };
    }
    mkdirSync(dirname(file[1] ?? ""), { recursive: true });
    writeFileSync(file[1] ?? "", `dump of ${file[2] ?? ""}`);
    return ok('0\n18.6 (Debian 18.6-1)\n{"public.repository":3}\n');
  }

  private restic(args: readonly string[], input: string): Finished {
    if (args[0] === "version") return ok("restic 0.19.1\n");
    if (args[0] !== "backup") return ok();
    const isMarker = args.includes("--stdin");
    if (isMarker) this.markers.push(input);
    else this.lockWaits.push(args.includes("--retry-lock") ? args[args.indexOf("--retry-lock") + 1] : undefined);
    const exitCode = isMarker ? 0 : (this.uploads.shift() ?? 0);
    const item =
      '{"message_type":"error","error":{"message":"no such file or directory"},"during":"archival","item":"/x/pack"}';
    const all =
      '{"message_type":"exit_error","code":3,"message":"Warning: at least one source file could not be read"}';
    if (exitCode !== 0 && exitCode !== 3)
      return fail(exitCode, '{"message_type":"exit_error","code":1,"message":"Fatal: it broke"}\n');
    const summary = {
      message_type: "summary",
      snapshot_id: (isMarker ? "c" : "5").repeat(64),
      data_added_packed: 2000,
      total_files_processed: 7,
      total_bytes_processed: 9000,
    };
    return {
      exitCode,
      stdout: `{"message_type":"status"}\n${JSON.stringify(summary)}\n`,
      stderr: exitCode === 3 ? `${item}\n${all}\n` : "",
    };
  }

  private forgeAnswer({ method, url, body = "" }: HttpRequest): HttpAnswer {
    const status = this.forge?.[method];
    if (status === undefined) throw Object.assign(new Error(), { code: "ECONNREFUSED" });
    const listed = JSON.stringify(this.tags.map((name) => ({ name })));
    if (status === 201) {
      const { tag_name: name } = JSON.parse(body) as { tag_name: string };
      if (this.tags.includes(name)) return { status: 409, body: "" };
      this.tags.push(name);
    }
    if (status === 204) this.tags = this.tags.filter((name) => !url.endsWith(`/${name}`));
    return { status, body: method === "GET" ? listed : "" };
  }

  private async request(request: HttpRequest): Promise<HttpAnswer> {
    await Promise.resolve();
    const { method, url, body, into } = request;
    const path = new URL(url).pathname;
    this.calls.push(`request ${path}`);
    if (path.startsWith("/api/v1/")) return this.forgeAnswer(request);
    if (path.endsWith("/config")) {
      if (typeof this.probe === "number") return { status: this.probe, body: "" };
      throw this.probe;
    }
    if (this.vault === "down") throw Object.assign(new Error(), { code: "ECONNREFUSED" });
    if (path === "/v1/sys/seal-status") {
      const sealed = this.vault !== "open";
      const found = { initialized: this.vault !== "fresh", sealed, version: "2.1.2", n: 5, t: 3 };
      return { status: 200, body: JSON.stringify({ ...found, cluster_id: CLUSTER }) };
    }
    if (path === "/v1/auth/approle/login") return { status: 200, body: '{"auth":{"client_token":"t"}}' };
    if (path === "/v1/foundation/data/backup/canary") {
      if (method === "GET")
        return { status: 200, body: JSON.stringify({ data: { data: { run: this.canaries.vault } } }) };
      if (this.vaultWrites < 300) this.canaries.vault = (JSON.parse(body ?? "") as { data: { run: string } }).data.run;
      return { status: this.vaultWrites, body: "" };
    }
    if (into !== undefined) writeFileSync(into, this.snapshot);
    return { status: 200, body: "" };
  }
}
