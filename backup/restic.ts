import { dirname } from "node:path";
import { EXIT, UserError } from "../errors.ts";
import type { Effects, Finished, RunOptions } from "./effects.ts";

/** Snapshots carry this name of a host: containers have random ones, so that none removes the lock of another. */
export const SNAPSHOT_HOST = "foundation";

/** restic's exit codes, as far as they are told apart. */
const INCOMPLETE = 3;
const NO_REPOSITORY = 10;
const LOCKED = 11;
const WRONG_PASSWORD = 12;

/** How long a lock that somebody else really holds is waited for. A check keeps the backups of this VM waiting. */
const LOCK_WAIT: Readonly<Record<string, string>> = { backup: "2m", check: "30s" };

/** Where the repository is and how to open it. Passed to restic by environment, which only its own user can read. */
export interface Repository {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  /** of an S3 server */
  readonly region?: string | undefined;
  /** id of the key to try first; another one that somebody put there may stop restic */
  readonly keyHint?: string | undefined;
  /** of the repository's encryption */
  readonly passwordFile: string;
  readonly caFile: string;
  readonly cacheDirectory: string;
}

/** restic's environment. */
export function resticEnvironment(repository: Repository): Record<string, string> {
  return {
    RESTIC_REPOSITORY: repository.url,
    ...login(repository),
    RESTIC_PASSWORD_FILE: repository.passwordFile,
    ...(repository.keyHint === undefined ? {} : { RESTIC_KEY_HINT: repository.keyHint }),
    RESTIC_CACERT: repository.caFile,
    RESTIC_CACHE_DIR: repository.cacheDirectory,
    // Packs wait here to be sent, on the disk: over a slow line they are more than the memory that is behind /tmp. They
    // are deleted as soon as they are open, so a run that is killed leaves none.
    TMPDIR: dirname(repository.cacheDirectory),
    // Status lines of --json, in seconds between them: 2.
    RESTIC_PROGRESS_FPS: "0.5",
  };
}

function login({ url, username, password, region = "" }: Repository): Record<string, string> {
  if (url.startsWith("rest:")) return { RESTIC_REST_USERNAME: username, RESTIC_REST_PASSWORD: password };
  return { AWS_ACCESS_KEY_ID: username, AWS_SECRET_ACCESS_KEY: password, AWS_DEFAULT_REGION: region };
}

/** Arguments of the one backup of a set. `--no-scan`: nothing waits for an estimate. */
export function backupArguments(paths: readonly string[], excludes: readonly string[]): string[] {
  const options = ["--json", "--no-scan", "--host", SNAPSHOT_HOST, "--tag", "set"];
  return ["backup", ...options, ...excludes.flatMap((pattern) => ["--exclude", pattern]), ...paths];
}

/** Arguments that store standard input as a file of its own snapshot. */
export function commitArguments(file: string, tags: readonly string[]): string[] {
  const options = ["--json", "--host", SNAPSHOT_HOST];
  return ["backup", ...options, ...tags.flatMap((tag) => ["--tag", tag]), "--stdin", "--stdin-filename", file];
}

/** What a backup prints last. */
export interface Summary {
  readonly snapshot: string;
  readonly addedBytes: number;
  readonly files: number;
  readonly bytes: number;
}

/** Reads the summary out of what `backup --json` printed. */
export function parseSummary(stdout: string): Summary {
  for (const line of stdout.split("\n").reverse()) {
    const message = parseLine(line);
    if (message?.["message_type"] !== "summary") continue;
    const { snapshot_id: snapshot, data_added_packed: added, data_added: unpacked } = message;
    return {
      snapshot: String(snapshot),
      addedBytes: Number(added ?? unpacked ?? 0),
      files: Number(message["total_files_processed"] ?? 0),
      bytes: Number(message["total_bytes_processed"] ?? 0),
    };
  }
  throw new UserError("restic: printed no summary", "npx foundation backup check");
}

/** A snapshot as `restic snapshots --json` shows it. */
export interface Snapshot {
  readonly id: string;
  readonly time: string;
  readonly tags: readonly string[];
}

/** Reads a list of snapshots, newest first. */
export function parseSnapshots(stdout: string): Snapshot[] {
  const list = JSON.parse(stdout) as { id: string; time: string; tags?: string[] }[];
  return list
    .map(({ id, time, tags }) => ({ id, time, tags: tags ?? [] }))
    .sort((a, b) => Date.parse(b.time) - Date.parse(a.time));
}

/** Runs restic on one repository. */
export class Restic {
  readonly #effects: Effects;
  readonly #environment: Record<string, string>;

  constructor(effects: Effects, repository: Repository) {
    this.#effects = effects;
    this.#environment = resticEnvironment(repository);
  }

  /**
   * A lock that stands in the way is removed if it is stale, and the command run once more. Only then is it waited for:
   * what was killed on this VM has left a lock that nobody gives back.
   *
   * @returns exit code 0, or 3 where the caller said that it can deal with an incomplete snapshot
   * @throws UserError for everything else
   */
  async run(args: readonly string[], options: RunOptions, accept: readonly number[] = []): Promise<Finished> {
    const start = (words: readonly string[]): Promise<Finished> =>
      this.#effects.run("restic", words, { ...options, env: { ...this.#environment, ...options.env } });
    let finished = await start(args);
    if (finished.exitCode === LOCKED) {
      this.#effects.report("backup: restic: the repository is locked; removing stale locks");
      await this.#effects.run("restic", ["unlock"], { timeoutSeconds: 120, env: this.#environment });
      const [command = "", ...rest] = args;
      const wait = LOCK_WAIT[command];
      finished = await start(wait === undefined ? args : [command, "--retry-lock", wait, ...rest]);
    }
    if (finished.exitCode === 0 || accept.includes(finished.exitCode)) return finished;
    throw explain(finished);
  }

  /** All snapshots that have a tag, newest first. */
  async snapshots(tag: string): Promise<Snapshot[]> {
    const args = ["snapshots", "--json", "--no-lock", "--host", SNAPSHOT_HOST, "--tag", tag];
    return parseSnapshots((await this.run(args, { timeoutSeconds: 300 })).stdout);
  }

  /** Text of a file in a snapshot. */
  async read(snapshot: string, file: string): Promise<string> {
    return (await this.run(["dump", "--no-lock", snapshot, file], { timeoutSeconds: 300 })).stdout;
  }
}

/** Whether a backup could not read everything. */
export const isIncomplete = ({ exitCode }: Finished): boolean => exitCode === INCOMPLETE;

/** The error that an exit code of restic's means. */
export function explain({ exitCode, stderr }: Finished): UserError {
  const detail = lastMessage(stderr);
  switch (exitCode) {
    case INCOMPLETE:
      return new UserError(`restic: could not read everything: ${detail}`, "look at the file named, then run it again");
    case NO_REPOSITORY:
      return new UserError(
        "offsite: there is no repository",
        "a new offsite: pulumi up; otherwise somebody removed it: look at the offsite before anything else",
        EXIT.refused,
      );
    case LOCKED:
      return new UserError("offsite: the repository is locked", "npx foundation offsite check", EXIT.attention);
    case WRONG_PASSWORD:
      return new UserError(
        "offsite: the repository is not this foundation's: its password is another one",
        "compare foundation:offsite with the offsite that was set up first",
        EXIT.refused,
      );
    default:
      if (/access denied|invalidaccesskeyid|signaturedoesnotmatch/i.test(detail)) return keysRefused(detail);
      return new UserError(`restic: ${detail}`, "npx foundation offsite check");
  }
}

/** Of an S3 server, with what it said. */
export function keysRefused(detail: string): UserError {
  return new UserError(
    `offsite: refuses this access key: ${detail}`,
    "pulumi config set --path --secret foundation:offsite.secretAccessKey, then pulumi up",
    EXIT.refused,
  );
}

/** What restic said last, from text or from JSON. */
export function lastMessage(stderr: string): string {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  const texts = lines.map((line) => {
    const message = parseLine(line);
    if (message === undefined) return line.trim();
    const error = (message["error"] as { message?: string } | undefined)?.message;
    return [message["item"], error ?? message["message"]].filter(Boolean).join(": ");
  });
  // Below the reason, it asks whether there is a repository, and repeats its name.
  const fatal = texts.findLast((text) => text.startsWith("Fatal: "));
  if (fatal !== undefined) return fatal;
  // Under an error about single files comes a line that says no more than that there were some.
  return (
    texts.findLast((text) => text !== "" && !/at least one source file could not be read/i.test(text)) ?? "no message"
  );
}

function parseLine(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
