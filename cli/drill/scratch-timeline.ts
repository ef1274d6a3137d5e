import type { Outcome, Phase } from "../../backup/drill-record.ts";
import { parseJournal, type Journal } from "../../backup/restore-journal.ts";
import { UserError } from "../../errors.ts";

/** What scratch-host.sh has found; times in seconds since 1970 by that host's clock. */
export interface HostFacts {
  readonly clock: number;
  /** when the first network was made: the host was ready by then */
  readonly firstNetwork: number | undefined;
  /** when each container was made, by name */
  readonly containers: ReadonlyMap<string, number>;
  readonly journal: Journal | undefined;
  readonly journalWritten: number | undefined;
  readonly vaultOpened: number | undefined;
}

/** Reads what it printed. @throws UserError where that was cut off */
export function parseHostFacts(text: string): HostFacts {
  const lines = text.split("\n").flatMap((line) => {
    const match = /^([a-z_]+)=(.*)$/.exec(line);
    return match ? [[match[1] ?? "", match[2] ?? ""] as const] : [];
  });
  const one = (name: string) => lines.find(([key]) => key === name)?.[1];
  const number = (name: string) => (one(name) === undefined ? undefined : Number(one(name)));
  // `/postgres "2026-01-31T12:00:00.123456789Z"`
  const made = (name: string) =>
    lines.flatMap(([key, value]) => {
      const match = key === name ? /^\/?(\S+) "(.+)"$/.exec(value) : null;
      return match ? [[match[1] ?? "", Date.parse(match[2] ?? "") / 1000] as const] : [];
    });
  const clock = number("clock");
  if (clock === undefined)
    throw new UserError("drill: the scratch host's answer was cut off", "hold the drill once more");
  const networks = made("network").map(([, seconds]) => seconds);
  const seed = one("seed");
  return {
    clock,
    firstNetwork: networks.length === 0 ? undefined : Math.min(...networks),
    containers: new Map(made("container")),
    journal: seed === undefined ? undefined : parseJournal("/var/lib/foundation/seed/seed.json", seed),
    journalWritten: number("seed_written"),
    vaultOpened: number("vault_opened"),
  };
}

/** When a deployment ran, in seconds since 1970 by the scratch host's clock. */
export interface Deployment {
  /** of the drill */
  readonly started: number;
  readonly began: number;
  readonly ended: number;
  readonly succeeded: boolean;
}

/** A phase from one moment to another; without an end it is the one in which the deployment stopped. */
type Span = readonly [name: string, from: number | undefined, to: number | undefined, detail: string];

/** The phases of a deployment, from what it has left on the host: the same whatever deployed. */
export function timeline(facts: HostFacts, { started, began, ended, succeeded }: Deployment): Phase[] {
  const { containers, firstNetwork, journal, journalWritten, vaultOpened } = facts;
  const earliest = (...names: string[]): number | undefined => {
    const times = names.flatMap((name) => containers.get(name) ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  };
  const isRestored = journal?.phase === "done" && journal.mode === "restored";
  const restored = isRestored ? journalWritten : undefined;
  const steps = Object.entries(isRestored ? journal.seconds : {});
  const restoring =
    restored === undefined ? undefined : restored - steps.reduce((sum, [, seconds]) => sum + seconds, 0);
  const stores = earliest("postgres", "rustfs", "vault");
  const [forge, web] = [earliest("forgejo"), earliest("caddy")];
  const done = succeeded ? ended : undefined;
  const spans: Span[] = [
    ["preparing", started, began, "copies of the stack's files, the host looked at"],
    ["host", began, firstNetwork, "packages, Docker, firewall, directories"],
    ["images", firstNetwork, stores, "until the first store could start"],
    ["stores", stores, restoring ?? (isRestored ? undefined : journalWritten), "started empty; the job's image built"],
    ...restoreSpans(steps, restoring),
    ["Vault", restored, vaultOpened, "the snapshot taken in, opened with its shares"],
    ["Forgejo", forge, web, "started on what was restored, accounts looked at"],
    ["Caddy", web, done, "started; Vault's policies and secrets put in place"],
  ];
  return spans.flatMap(([name, from, to, detail]) => {
    if (from === undefined) return [];
    const outcome: Outcome = to === undefined ? "error" : "passed";
    const said = to === undefined ? "did not come to its end" : detail;
    return [
      {
        name,
        outcome,
        startSecond: tenths(from - started),
        seconds: tenths((to ?? ended) - from),
        detail: said,
        problems: [],
      },
    ];
  });
}

function restoreSpans(steps: readonly (readonly [string, number])[], from: number | undefined): Span[] {
  let at = from ?? 0;
  return steps.map(([name, seconds]) => {
    const began = at;
    at += seconds;
    return [`restore: ${name}`, began, at, "from the offsite, compared with the marker"];
  });
}

const tenths = (seconds: number): number => Math.max(0, Math.round(seconds * 10) / 10);
