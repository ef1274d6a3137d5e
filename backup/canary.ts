import { UserError } from "../errors.ts";
import type { Commit, Degradation } from "./commit.ts";

// The canary: one and the same run's id in every store, written before the store is captured. Stores that show different
// ones were not captured, or not restored, together.

/** Stores whose canary a set can be without. */
export type Reluctant = "git" | "Vault";

/** Leaves the canary in a store without which there is a set; where that fails, the set says so. */
export async function leaveCanary(store: Reluctant, leave: () => Promise<unknown>): Promise<Degradation[]> {
  try {
    await leave();
    return [];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [{ part: partOf(store), reason: error.message }];
  }
}

/** Whether the store has the canary of the run that made the set. */
export function hasCanary({ degraded, vault }: Commit, store: Reluctant): boolean {
  const without = degraded.map(({ part }) => part);
  return !without.includes(partOf(store)) && (store === "git" || (vault !== null && !without.includes("vault")));
}

/** Compares what was found, by store, with the run that it should be. @returns one line for each that is different */
export function compareCanaries(run: string, found: ReadonlyMap<string, string>): string[] {
  return [...found].flatMap(([store, value]) =>
    value === run ? [] : [`canary: the ${store} is of run ${value}, not of ${run}`],
  );
}

const partOf = (store: Reluctant): string => `canary in ${store}`;
