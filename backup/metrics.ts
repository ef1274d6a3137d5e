import type { DrillReport } from "./drill-record.ts";
import type { describeStatus } from "./status.ts";

/** One figure, or one for each value of a label. */
interface Metric {
  readonly name: string;
  readonly help: string;
  /** by the label, `phase="upload"`; an empty one is none */
  readonly values: Readonly<Record<string, number | boolean | undefined>>;
}

type Shown = ReturnType<typeof describeStatus> & { readonly drill: DrillReport | null };

/**
 * The status in the text format of Prometheus, for a scrape or for the textfile collector of node_exporter. Times are
 * given as they are, so that an alert on their age also fires where nobody writes them any more.
 */
export function renderMetrics(status: Shown): string[] {
  return [...backupMetrics(status), ...proofMetrics(status)].flatMap(({ name, help, values }) => {
    const known = Object.entries(values).filter(([, value]) => value !== undefined);
    if (known.length === 0) return [];
    const full = `foundation_${name}`;
    const lines = known.map(([label, value]) => `${full}${label === "" ? "" : `{${label}}`} ${String(Number(value))}`);
    return [`# HELP ${full} ${help}`, `# TYPE ${full} gauge`, ...lines];
  });
}

function backupMetrics({ last, commit, ageSeconds, everyMinutes, healthy }: Shown): Metric[] {
  const phases = Object.entries(last?.seconds ?? {}).map(([phase, took]) => [label("phase", phase), took] as const);
  const without = (last?.degraded ?? []).map(({ part }) => [label("part", part), 1] as const);
  const took = last ? (Date.parse(last.finished) - Date.parse(last.started)) / 1000 : undefined;
  const madeOne = last ? last.outcome !== "failed" : undefined;
  return [
    one("backup_healthy", "Whether the newest backup is recent and the last run made one.", healthy),
    one("backup_interval_seconds", "A backup is due as often as this.", everyMinutes * 60),
    one("backup_commit_timestamp_seconds", "When the newest backup was finished.", seconds(commit?.finished)),
    one("backup_age_seconds", "Age of the newest backup.", ageSeconds ?? undefined),
    one("backup_last_run_timestamp_seconds", "When the last run ended.", seconds(last?.finished)),
    one("backup_last_run_success", "Whether the last run made a backup.", madeOne),
    one("backup_last_run_seconds", "How long the last run took.", took),
    one("backup_added_bytes", "What the last run sent to the offsite.", last?.addedBytes),
    {
      name: "backup_phase_seconds",
      help: "How long a phase of the last run took.",
      values: Object.fromEntries(phases),
    },
    { name: "backup_degraded", help: "What the newest backup lacks.", values: Object.fromEntries(without) },
  ];
}

function proofMetrics({ check, collection, rebuilt, drill }: Shown): Metric[] {
  const agrees = rebuilt ? rebuilt.problems.length === 0 : undefined;
  const isClear = collection ? collection.reason === undefined : undefined;
  return [
    one("check_timestamp_seconds", "When the repository was last checked.", seconds(check?.finished)),
    one("check_success", "Whether nothing was wrong with it.", check ? check.reason === undefined : undefined),
    one("mirror_collection_success", "Whether the mirrors were cleared.", isClear),
    one("rebuilt_success", "Whether all stores were of the backup that this VM began with.", agrees),
    one("drill_timestamp_seconds", "When the last drill began.", seconds(drill?.started)),
    one("drill_success", "Whether it passed.", drill ? drill.outcome === "passed" : undefined),
    one("drill_seconds", "How long it took.", drill?.seconds),
  ];
}

const one = (name: string, help: string, value: Metric["values"][string]): Metric => ({
  name,
  help,
  values: { "": value },
});
const label = (name: string, value: string): string => `${name}=${JSON.stringify(value)}`;
const seconds = (time: string | undefined): number | undefined =>
  time === undefined ? undefined : Date.parse(time) / 1000;
