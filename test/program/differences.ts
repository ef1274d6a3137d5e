import type { Recorded, Recording } from "../../review/record.ts";
import { STACK_TYPE } from "../../sandbox/engine/registration.ts";
import { label } from "../../review/policy/rule.ts";
import { STAGES } from "../../review/policy/stages.ts";

/**
 * What one recording has and another has not, `+` and `-`, and which inputs and options of a resource differ.
 *
 * @returns sorted lines such as `Container caddy: image, labels`
 */
export function differences(before: Recording, after: Recording): string[] {
  const old = new Map(before.resources.map((resource) => [resource.urn, resource]));
  const now = new Map(after.resources.map((resource) => [resource.urn, resource]));
  const removed = before.resources.filter(({ urn }) => !now.has(urn)).map((resource) => `- ${label(resource)}`);
  const others = after.resources.flatMap((resource) => {
    const previous = old.get(resource.urn);
    if (previous === undefined) return [`+ ${label(resource)}`];
    const { inputs: oldInputs, ...oldOptions } = previous;
    const { inputs, ...options } = resource;
    const changed = [
      ...unequal(oldInputs, inputs),
      ...unequal(oldOptions, options).map((option) => `option ${option}`),
    ];
    return changed.length > 0 ? [`${label(resource)}: ${changed.join(", ")}`] : [];
  });
  return [...removed, ...others].sort();
}

function unequal(a: object, b: object): string[] {
  const [left, right] = [new Map(Object.entries(a)), new Map(Object.entries(b))];
  return [...new Set([...left.keys(), ...right.keys()])]
    .filter((key) => JSON.stringify(left.get(key)) !== JSON.stringify(right.get(key)))
    .sort();
}

/** Every resource below its parent, and the stage of every component. */
export function tree({ resources }: Recording): string {
  const children = (parent: (urn: string) => boolean, depth: number): string[] =>
    resources
      .filter((resource) => parent(resource.parent))
      .toSorted((a, b) => (order(a) < order(b) ? -1 : 1))
      .flatMap((resource) => [
        `${"  ".repeat(depth)}${title(resource)}`,
        ...children((urn) => urn === resource.urn, depth + 1),
      ]);
  return children((urn) => urn.includes(`::${STACK_TYPE}::`), 0).join("\n");
}

const order = (resource: Recorded): string => `${String(STAGES[resource.type] ?? "")} ${label(resource)}`;

function title(resource: Recorded): string {
  const stage = STAGES[resource.type];
  return resource.custom || stage === undefined
    ? `${resource.type} ${resource.name}`
    : `${String(stage)} ${label(resource)}`;
}
