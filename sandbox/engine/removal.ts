import type { ResourceState } from "./state.ts";

/** Whether `record` was made with `other`: as dependency, parent or provider. */
export function dependsOn(record: ResourceState, other: ResourceState): boolean {
  return (
    record !== other &&
    (record.dependencies.includes(other.urn) ||
      record.parent === other.urn ||
      record.provider === other.urn ||
      Object.values(record.propertyDependencies).some((urns) => urns.includes(other.urn)))
  );
}

/**
 * Sorts records into waves: nothing in a later wave depends on anything in an earlier one, and the members of one wave can
 * go side by side.
 *
 * @param doomed in order of registration
 */
export function dependentsFirst(doomed: readonly ResourceState[]): ResourceState[][] {
  const waves: ResourceState[][] = [];
  let rest = doomed.toReversed();
  while (rest.length > 0) {
    const free = rest.filter((record) => !rest.some((other) => dependsOn(other, record)));
    // two generations of one resource can depend on each other by name; then the order of registration decides
    const wave = free.length > 0 ? free : rest.slice(0, 1);
    waves.push(wave);
    rest = rest.filter((record) => !wave.includes(record));
  }
  return waves;
}
