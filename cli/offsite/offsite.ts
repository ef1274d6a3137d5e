import { EXIT, UserError } from "../../errors.ts";
import { offsiteStatus, resticOnOffsite, type OffsiteHost } from "../backup/offsite-host.ts";
import { remoteFailure } from "../backup/remote-failure.ts";
import { rootCommand, runOnVm } from "../ssh.ts";
import { parseFiles, parseSnapshots, type RepositoryFile, type Snapshot } from "./snapshot.ts";

const SCRIPT = "/usr/local/lib/foundation/offsite";
/** Ids in one command line, which a shell has to take. */
const BATCH = 500;
/** The offsite looks every five minutes. */
const WATCH_SECONDS = 900;

/** What the offsite says of itself. */
export interface OffsiteFacts {
  readonly owner: string;
  /** how many VMs have backed up here, and since when the present one does */
  readonly generation: { readonly generation: number; readonly vmId: string; readonly since: string } | undefined;
  /** of the container, e.g. `running` */
  readonly server: string;
  readonly hasRepository: boolean;
  /** id of the repository's own key, among which others may have been put */
  readonly keyHint: string | undefined;
  readonly bytes: number;
  readonly freeBytes: number;
  readonly snapshots: number;
  /** when the newest snapshot was written; seconds since 1970, by the offsite's clock */
  readonly newestSeconds: number | undefined;
  readonly prunedSeconds: number | undefined;
  /** when the offsite last looked itself whether backups arrive */
  readonly watchedSeconds: number | undefined;
  readonly nowSeconds: number;
}

/** Asks the offsite what it is and holds. @throws UserError */
export async function readFacts(host: OffsiteHost): Promise<OffsiteFacts> {
  const status = await offsiteStatus(host);
  const text = (name: string) => status.get(name) ?? "";
  const time = (name: string) => (text(name) === "" ? undefined : Number(text(name)));
  return {
    owner: text("owner"),
    generation: text("generation") === "" ? undefined : (JSON.parse(text("generation")) as OffsiteFacts["generation"]),
    server: text("server").split(" ")[0] ?? "",
    hasRepository: text("repository") === "present",
    keyHint: text("key_hint") || undefined,
    bytes: Number(text("bytes")),
    freeBytes: Number(text("free_bytes")),
    snapshots: Number(text("snapshots")),
    newestSeconds: time("newest"),
    prunedSeconds: time("pruned"),
    watchedSeconds: text("watched") === "" ? undefined : Number(text("watched").split(" ")[1]),
    nowSeconds: Number(text("clock")),
  };
}

/** What is wrong with it, one line each. @param everyMinutes interval of the backups */
export function findProblems(facts: OffsiteFacts, everyMinutes: number): string[] {
  const age = facts.nowSeconds - (facts.newestSeconds ?? 0);
  const isWatched = facts.nowSeconds - (facts.watchedSeconds ?? 0) <= WATCH_SECONDS;
  return [
    ...(facts.server === "running" ? [] : [`the REST server is ${facts.server}`]),
    ...(facts.hasRepository ? [] : ["the repository is gone"]),
    ...(facts.hasRepository && facts.newestSeconds === undefined ? ["there is no backup yet"] : []),
    ...(facts.newestSeconds !== undefined && age > 2 * everyMinutes * 60
      ? [
          `the newest snapshot is ${String(Math.round(age / 60))} min old, and one is due every ${String(everyMinutes)} min`,
        ]
      : []),
    ...(isWatched
      ? []
      : ["nobody watches whether backups arrive: systemctl status foundation-offsite-watch.timer (there)"]),
  ];
}

/** The snapshots as restic lists them, oldest first. @throws UserError where one of them cannot be read */
export async function listSnapshots(host: OffsiteHost, password: string): Promise<Snapshot[]> {
  const hint = "what is unreadable can be moved aside: npx foundation offsite quarantine --help";
  return parseSnapshots(await restic(host, password, ["snapshots", "--json", "--no-lock"], hint));
}

/**
 * Proves that the repository is whole.
 *
 * @param subset `n/t`: also read the bytes of the n-th of t parts
 * @throws UserError where it is not
 */
export async function checkRepository(host: OffsiteHost, password: string, subset: string | undefined): Promise<void> {
  const words = ["check", "--retry-lock", "10m", ...(subset === undefined ? [] : [`--read-data-subset=${subset}`])];
  const hint =
    "garbage from outside is moved aside by: npx foundation offsite quarantine --help; " +
    "of a damaged disk, older backups may be whole: npx foundation backup list";
  await restic(host, password, words, hint);
}

/** @param hint for a failure of restic itself; it has exit codes of its own, which mean nothing here */
async function restic(host: OffsiteHost, password: string, words: readonly string[], hint: string): Promise<string> {
  try {
    return (await resticOnOffsite(host, password, words)).stdout;
  } catch (error) {
    const passedOn: readonly number[] = [EXIT.interrupted, EXIT.unreachable];
    if (!(error instanceof UserError) || passedOn.includes(error.exitCode)) throw error;
    throw new UserError(error.message, hint);
  }
}

/** Files of the repository that are newer than a time, packs apart. */
export async function listFiles(host: OffsiteHost, sinceSeconds: number): Promise<RepositoryFile[]> {
  return parseFiles(await runScript(host, ["files", String(sinceSeconds)]));
}

/** Moves them out of the repository. @returns the directory on the offsite where they are now */
export async function moveAside(host: OffsiteHost, sinceSeconds: number): Promise<string> {
  const output = await runScript(host, ["quarantine", String(sinceSeconds)]);
  return output.trim().split("\n").at(-1) ?? "";
}

/** Gives snapshots up, and then the space that only they used. Backups wait meanwhile, and go on by themselves. */
export async function forget(host: OffsiteHost, password: string, ids: readonly string[]): Promise<void> {
  for (let start = 0; start < ids.length; start += BATCH) {
    await resticOnOffsite(host, password, ["forget", "--retry-lock", "10m", ...ids.slice(start, start + BATCH)]);
  }
  await resticOnOffsite(host, password, ["prune", "--retry-lock", "10m"]);
}

async function runScript(host: OffsiteHost, words: readonly string[]): Promise<string> {
  const finished = await runOnVm(host.run, host.where, host.target, rootCommand(host.target, [SCRIPT, ...words]));
  if (finished.exitCode !== 0) throw remoteFailure(host.where, finished);
  return finished.stdout;
}
