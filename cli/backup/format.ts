import Table from "cli-table3";
import type { Checked } from "../../backup/check.ts";
import type { Commit } from "../../backup/commit.ts";
import type { Collected } from "../../backup/mirror-collection.ts";
import type { DrillReport } from "../../backup/drill-record.ts";
import type { MarkedSet } from "../../backup/sets.ts";
import type { describeStatus } from "../../backup/status.ts";
import { formatAge } from "./commits.ts";

const PLAIN = { head: [], border: [] };
const NO_LINES_BETWEEN = { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" };

/** Ids are those of the data, which every command that takes an id understands; as many digits as restic shows. */
const shortId = ({ snapshot }: Commit): string => snapshot.slice(0, 8);

/** Bytes with a binary unit: `1.4 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const exponent = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 2 ** (10 * exponent);
  return `${exponent === 0 ? String(value) : value.toFixed(1)} ${units[exponent] ?? ""}`;
}

/** The backups as a table, the newest first. */
export function formatList(result: readonly MarkedSet[]): string {
  const listed = result.toSorted((a, b) => b.commit.finished.localeCompare(a.commit.finished));
  if (listed.length === 0) return "no backup yet";
  const table = new Table({
    head: ["id", "finished", "repositories", "objects", "rows", "without"],
    colAligns: ["left", "left", "right", "right", "right", "left"],
    chars: NO_LINES_BETWEEN,
    style: PLAIN,
  });
  for (const { commit } of listed) {
    const missing = commit.degraded.map(({ part }) => part).join(", ");
    table.push([shortId(commit), commit.finished, commit.git.repositories, objects(commit), rows(commit), missing]);
  }
  return `${table.toString()}\nLook into one: npx foundation backup info ID`;
}

const objects = ({ s3 }: Commit): number => sum(Object.values(s3).map((bucket) => bucket.objects));
const rows = ({ postgres }: Commit): number => sum(postgres.databases.flatMap(({ tables }) => Object.values(tables)));
const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** What one backup holds. */
export function formatCommit(commit: Commit): string {
  const { postgres, git, s3, vault, kit, degraded, vmId, run, started, finished } = commit;
  const seconds = (Date.parse(finished) - Date.parse(started)) / 1000;
  const lines: [string, string][] = [
    ["backup", `${shortId(commit)}, finished ${finished}, took ${seconds.toFixed(1)} s`],
    ["run", `${run} on VM ${vmId.slice(0, 8)}`],
    ...postgres.databases.map<[string, string]>(({ name, bytes, tables }) => [
      "database",
      `${name}: ${String(sum(Object.values(tables)))} rows in ${String(Object.keys(tables).length)} tables, ${formatBytes(bytes)}, PostgreSQL ${postgres.server}`,
    ]),
    ["git", `${String(git.repositories)} repositories, ${String(git.refs)} references`],
    ...Object.entries(s3).map<[string, string]>(([bucket, held]) => [
      "bucket",
      `${bucket}: ${String(held.objects)} objects, ${formatBytes(held.bytes)}`,
    ]),
    [
      "Vault",
      vault === null
        ? "not in it"
        : `${formatBytes(vault.bytes)}, taken ${vault.taken}, opened by ${String(vault.t)} of ${String(vault.n)} shares of ${vault.epoch.slice(0, 8)}`,
    ],
    ["kit", kit === null ? "not in it" : `repository at ${kit.commit.slice(0, 8)}, ${String(kit.files)} files`],
    ...degraded.map<[string, string]>(({ part, reason }) => ["without", `${part}: ${reason}`]),
  ];
  return lines.map(([label, text]) => `${label.padEnd(9)} ${text}`).join("\n");
}

/** What the job's `status` answers. */
export type ShownStatus = ReturnType<typeof describeStatus> & { readonly drill: DrillReport | null };

/** How it stands with the backups of a VM. */
export function formatStatus(status: ShownStatus): string {
  const { commit, last, check, collection, rebuilt, drill, ageSeconds, everyMinutes, healthy } = status;
  const newest = commit && `${commit.snapshot.slice(0, 8)}, ${formatAge(ageSeconds ?? 0)} old`;
  const lines: [string, string][] = [
    ["newest", `${newest ?? "none yet"}; one is due every ${String(everyMinutes)} min`],
    ["health", healthy ? "good" : "BAD"],
    ...(last ? describeRun(last) : [["last run", "none yet"] as [string, string]]),
  ];
  if (check) lines.push(["check", formatCheck(check).replace(/^check of /, "")]);
  if (collection) lines.push(["mirror", formatCollected(collection)]);
  if (rebuilt) lines.push(["rebuilt", describeRebuilt(rebuilt)]);
  lines.push(["drill", drill ? describeDrill(drill) : "none yet on this VM"]);
  return lines.map(([label, text]) => `${label.padEnd(9)} ${text}`).join("\n");
}

function describeDrill({ outcome, started, seconds, backup, phases }: DrillReport): string {
  const bad = phases.find((phase) => phase.outcome === outcome && outcome !== "passed");
  const why = bad === undefined ? "" : `: ${bad.name}: ${bad.problems[0] ?? bad.detail}`;
  return `${outcome} ${started}, backup ${backup?.snapshot.slice(0, 8) ?? "none"}, ${seconds.toFixed(1)} s${why}`;
}

function describeRebuilt({ snapshot, stores, problems }: NonNullable<ShownStatus["rebuilt"]>): string {
  const from = `from ${snapshot.slice(0, 8)}`;
  return problems.length === 0 ? `${from}: ${stores.join(", ")} agree` : `${from}: ${problems.join("; ")}`;
}

function describeRun(last: NonNullable<ShownStatus["last"]>): [string, string][] {
  const { outcome, finished, reason, hint, degraded } = last;
  return [
    ["last run", `${outcome} ${finished}${reason === undefined ? "" : `: ${reason}`}`],
    ...(hint === undefined ? [] : [["hint", hint] as [string, string]]),
    ...degraded.map<[string, string]>((missing) => ["without", `${missing.part}: ${missing.reason}`]),
  ];
}

/** What was cleared from the mirrors. */
export function formatCollected({ removed, bytes, waiting, reason, finished }: Collected): string {
  const done = `${String(removed)} files removed, ${formatBytes(bytes)}; ${String(waiting)} more wait for their time`;
  return `${reason === undefined ? done : `nothing more removed: ${reason}`} (${finished})`;
}

/** What a check of the repository has found. */
export function formatCheck({ part, finished, reason }: Checked): string {
  return `check of ${part}: ${reason ?? "nothing wrong"} (${finished})`;
}
