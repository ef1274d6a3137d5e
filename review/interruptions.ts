import type { ResourceChange } from "./differences.ts";
import { CONTAINER, ofType, reachable } from "./policy/rule.ts";
import type { Recorded, Recording } from "./record.ts";

/** A service that does not serve, or not all that it does, while a change is deployed. Seconds are the most it may take. */
export interface Interruption {
  readonly service: string;
  /** present where its own container is replaced */
  readonly restart?: { readonly stopSeconds: number; readonly startSeconds: number; readonly checkSeconds: number };
  /** services that it needs and that restart */
  readonly without: readonly string[];
  readonly seconds: number;
}

/**
 * Which services a change interrupts, and for how long at most: a replaced container gets its grace period to stop, and
 * the start period of its health check to become healthy. Who needs it goes without it as long, and longer where it
 * restarts itself, which it does afterwards.
 */
export function interruptions(before: Recording, after: Recording, changes: readonly ResourceChange[]): Interruption[] {
  const containers = ofType(after, CONTAINER);
  const replaced = new Set(
    changes.filter(({ operation, type }) => operation === "replace" && type === CONTAINER).map(({ name }) => name),
  );
  const known = new Map<string, Interruption>();
  const interrupt = (container: Recorded): Interruption => {
    const { name: service } = container;
    const found = known.get(service);
    if (found) return found;
    // Two that need each other are no program that runs, but a graph that may be asked about.
    known.set(service, { service, without: [], seconds: 0 });
    const needed = containers.filter((other) => needs(after, container, other)).map(interrupt);
    const without = needed.filter(({ seconds }) => seconds > 0);
    const old = ofType(before, CONTAINER).find(({ name }) => name === service);
    const restart = replaced.has(service) ? restartOf(old ?? container, container) : undefined;
    const own = restart === undefined ? 0 : restart.stopSeconds + restart.startSeconds;
    const seconds = own + Math.max(0, ...without.map((other) => other.seconds));
    const result = {
      service,
      ...(restart ? { restart } : {}),
      without: without.map((other) => other.service),
      seconds,
    };
    known.set(service, result);
    return result;
  };
  return containers.map(interrupt).filter(({ seconds }) => seconds > 0);
}

/** Services need those that they share a network with and come after; a later one is not waited for. */
function needs(run: Recording, container: Recorded, other: Recorded): boolean {
  const shared = networksOf(container).some((network) => networksOf(other).includes(network));
  return shared && container.urn !== other.urn && reachable(run, container).has(other.urn);
}

/** Names of the networks that a container joins. */
export function networksOf({ inputs }: Recorded): string[] {
  return ((inputs.networksAdvanced ?? []) as { readonly name: string }[]).map(({ name }) => name);
}

function restartOf(old: Recorded, container: Recorded): NonNullable<Interruption["restart"]> {
  const health = (container.inputs.healthcheck ?? {}) as { startPeriod?: string; startInterval?: string };
  return {
    stopSeconds: Number(old.inputs.destroyGraceSeconds ?? 0),
    startSeconds: secondsOf(health.startPeriod ?? "0s"),
    checkSeconds: secondsOf(health.startInterval ?? "0s"),
  };
}

/** Seconds of a duration as Go prints it: `1m30s`. */
export function secondsOf(duration: string): number {
  const units: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1 };
  const parts = [...duration.matchAll(/(\d+)([hms])/g)];
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ""] ?? 0), 0);
}
