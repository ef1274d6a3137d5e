import { EXIT, UserError } from "../../errors.ts";
import { diffProperties, type Change } from "./diff.ts";
import type { Driver } from "./driver.ts";
import { ignoreChanges, matchesPath, parsePath } from "./paths.ts";
import type { Registration } from "./registration.ts";
import type { ResourceState } from "./state.ts";
import { hasUnknown, type Properties, type Value } from "./values.ts";

/** What becomes of a resource. */
export type Operation = "same" | "create" | "update" | "replace" | "delete";

/** How a resource gets from what is recorded to what the program wants. */
export interface Plan {
  readonly operation: Exclude<Operation, "delete">;
  /** what the program wants, with everything that `ignoreChanges` names as it was */
  readonly inputs: Properties;
  readonly changes: readonly Change[];
  /** why it is replaced: paths of inputs, or words */
  readonly reasons: readonly string[];
  /** the old object has to go before the new one is made */
  readonly deleteFirst: boolean;
}

/**
 * Decides what to do about one resource; looks at nothing but its arguments, so a preview and a deployment agree.
 *
 * @param old what is recorded, if anything
 * @throws UserError (refused) when a protected resource would be replaced
 */
export function planResource(goal: Registration, old: ResourceState | undefined, driver: Driver): Plan {
  if (!old) {
    const changes = diffProperties({}, goal.inputs);
    return { operation: "create", inputs: goal.inputs, changes, reasons: [], deleteFirst: false };
  }
  const inputs = ignoreChanges(goal.inputs, old.inputs, goal.ignoreChanges);
  const changes = diffProperties(old.inputs, inputs, driver.unordered);
  const reasons = replacementReasons(goal, old, driver, changes);
  if (reasons.length > 0) {
    if (goal.protect && old.protect) throw protectedError(goal, `it would be replaced (${reasons.join(", ")})`);
    const deleteFirst = goal.deleteBeforeReplace ?? driver.collides?.(old.inputs, inputs) ?? false;
    return { operation: "replace", inputs, changes, reasons, deleteFirst: deleteFirst || old.condition === "deleting" };
  }
  const update = changes.length > 0 || old.condition === "updating";
  if (update) refuseUnapplied(goal, driver, changes);
  return { operation: update ? "update" : "same", inputs, changes, reasons: [], deleteFirst: false };
}

/** What the program learns of a resource that has not been deployed: what is certain, the rest unknown. */
export function previewOutputs(plan: Plan, old: ResourceState | undefined, driver: Driver): Properties {
  if (!old || plan.operation === "replace" || plan.operation === "create") return plan.inputs;
  const outputs = { ...old.outputs, ...plan.inputs };
  return Object.fromEntries(Object.entries(outputs).filter(([key]) => !driver.changedByUpdate?.includes(key)));
}

/**
 * The resources that cannot outlive `root`: those with an input that comes from it (or from another such resource) and
 * whose change makes them new. Pulumi deletes them before `root`, which is what lets a network be replaced under containers.
 *
 * @param records live records, in order of registration
 */
export function dependentReplacements(
  root: string,
  records: readonly ResourceState[],
  driverOf: (type: string) => Driver | undefined,
): ResourceState[] {
  const replaced = new Set([root]);
  return records.filter((record) => {
    const replaceOn = [...(driverOf(record.type)?.replaceOn ?? []), ...record.replaceOnChanges];
    const goes =
      replaced.has(record.deletedWith) ||
      Object.entries(record.propertyDependencies).some(
        ([input, urns]) =>
          urns.some((urn) => replaced.has(urn)) && replaceOn.some((pattern) => matchesPath(pattern, input)),
      );
    if (goes) replaced.add(record.urn);
    return goes;
  });
}

/** Says that a protected resource stays. */
export function protectedError(resource: { type: string; name: string }, what: string): UserError {
  return new UserError(
    `${resource.type} ${resource.name}: protected, and ${what}`,
    "undo the change; if it is meant, remove `protect` in the program first",
    EXIT.refused,
  );
}

function replacementReasons(
  goal: Registration,
  old: ResourceState,
  driver: Driver,
  changes: readonly Change[],
): string[] {
  const replaces = ({ path }: Change): boolean =>
    driver.update === undefined ||
    driver.replaceOn.includes(String(parsePath(path)[0])) ||
    goal.replaceOnChanges.some((pattern) => matchesPath(pattern, path));
  const due = driver.isDue?.(old);
  return [
    ...new Set(changes.filter(replaces).map(({ path }) => path)),
    ...(triggered(old.replacementTrigger, goal.replacementTrigger) ? ["replacementTrigger"] : []),
    ...(old.condition === "tainted" ? ["it never became ready"] : []),
    ...(old.condition === "deleting" ? ["its deletion was interrupted"] : []),
    ...(due === undefined ? [] : [due]),
  ];
}

/** A trigger that was not set before only starts to count. */
function triggered(before: Value, after: Value): boolean {
  if (before === null || after === null) return false;
  return hasUnknown(after) || diffProperties({ trigger: before }, { trigger: after }).length > 0;
}

function refuseUnapplied(goal: Registration, driver: Driver, changes: readonly Change[]): void {
  const inputs = changes.map(({ path }) => String(parsePath(path)[0]));
  const unapplied = [...new Set(inputs)].filter((input) => driver.neverApplied?.includes(input));
  if (unapplied.length === 0) return;
  throw new UserError(
    `${goal.type} ${goal.name}: a change of ${unapplied.join(", ")} would be recorded and not applied`,
    'give the resource the options replaceOnChanges: ["*"] and deleteBeforeReplace: true',
  );
}
