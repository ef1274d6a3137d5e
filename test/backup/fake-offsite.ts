import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import type { Effects, Finished, StoredObject } from "../../backup/effects.ts";
import { Restic, type Repository } from "../../backup/restic.ts";
import type { Bucket } from "../../backup/restore-objects.ts";

export const REPOSITORY: Repository = {
  url: "rest:https://offsite.test:8000/foundation/",
  username: "foundation",
  password: "secret",
  passwordFile: "/etc/foundation/restic_password",
  caFile: "/etc/foundation/offsite_ca.pem",
  cacheDirectory: "/seed/cache",
};

/** restic whose snapshots are directories: `restore ID:PATH --target DIRECTORY` copies. Keeps what was asked of it. */
export function fakeRestic(
  snapshots: string,
  effects: Partial<Effects> = {},
): { restic: Restic; effects: Effects; asked: string[] } {
  const asked: string[] = [];
  const all = {
    now: () => new Date(0),
    report: () => undefined,
    freeBytes: () => Promise.resolve(10e6),
    ...effects,
    run: (program: string, args: readonly string[]): Promise<Finished> => {
      asked.push([program, ...args].join(" "));
      return Promise.resolve(restore(snapshots, args));
    },
  } as Effects;
  return { restic: new Restic(all, REPOSITORY), effects: all, asked };
}

function restore(snapshots: string, args: readonly string[]): Finished {
  if (args[0] === "stats") return { exitCode: 0, stdout: '{"total_size":1000000,"total_file_count":9}', stderr: "" };
  const [, from = "", , target = ""] = args;
  const [snapshot = "", path = ""] = from.split(":");
  const source = join(snapshots, snapshot, path);
  if (!existsSync(source)) return { exitCode: 1, stdout: "", stderr: `Fatal: path ${path}: not found\n` };
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  cpSync(source, target, { recursive: true });
  return { exitCode: 0, stdout: "", stderr: "" };
}

/** A bucket in memory. */
export class FakeBucket implements Bucket {
  readonly objects = new Map<string, string>();
  readonly uploads: string[] = [];
  /** after so many uploads the server is gone */
  limit = Infinity;
  /** how many uploads the server answers wrongly before it takes them */
  wrongAnswers = 0;
  readonly #read: (path: string) => string;

  constructor(read: (path: string) => string) {
    this.#read = read;
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async *list(): AsyncGenerator<StoredObject> {
    for (const [key, content] of this.objects)
      yield { key, bytes: Buffer.byteLength(content), tag: `tag of ${content}` };
  }

  upload(_bucket: string, key: string, path: string): Promise<void> {
    if (this.wrongAnswers > 0) {
      this.wrongAnswers -= 1;
      return Promise.reject(new Error("An error occurred when parsing the HTTP request."));
    }
    if (this.uploads.length >= this.limit) return Promise.reject(new UserError("s3: gone", "look"));
    this.uploads.push(key);
    this.objects.set(key, this.#read(path));
    return Promise.resolve();
  }
}
