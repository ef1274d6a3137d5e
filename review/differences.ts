import { matchesPath } from "../sandbox/engine/paths.ts";
import { label, nameOf } from "./policy/rule.ts";
import { changedInputs, readable, type Inputs, type PropertyChange } from "./properties.ts";
import type { Recorded, Recording } from "./record.ts";
import { isAnotherWhenReplaced, isReplacedBy } from "./replacement.ts";

/** What becomes of a resource. `order`: it only waits for other resources than before, and nothing happens to it. */
export type Operation = "add" | "change" | "replace" | "delete" | "order";

/** One resource that is not the same on both sides. */
export interface ResourceChange {
  readonly operation: Operation;
  /** `Container postgres` */
  readonly label: string;
  readonly type: string;
  readonly name: string;
  readonly properties: readonly PropertyChange[];
  /** why it changes although nothing that it was told does: `triggers: Container vault is replaced` */
  readonly because: readonly string[];
  /** Pulumi refuses to delete or replace it */
  readonly protected: boolean;
  /** what it stands for stays when it is deleted */
  readonly retained: boolean;
}

/** What differs between two graphs, in the order of the labels. Components only group others and are not in it. */
export function compareGraphs(before: Recording, after: Recording): ResourceChange[] {
  const old = byUrn(before);
  const now = byUrn(after);
  const gone = [...old.values()].filter(({ urn }) => !now.has(urn)).map((resource) => plain("delete", resource));
  const changed = new Map<string, ResourceChange>();
  for (const resource of now.values()) {
    const previous = old.get(resource.urn);
    const change = previous ? compareResource(previous, resource) : added(resource);
    if (change) changed.set(resource.urn, change);
  }
  while (passOn(now, changed));
  return [...gone, ...changed.values()].sort((a, b) => (a.label < b.label ? -1 : 1));
}

const byUrn = ({ resources }: Recording): Map<string, Recorded> =>
  new Map(resources.filter(({ custom }) => custom).map((resource) => [resource.urn, resource]));

function plain(operation: Operation, resource: Recorded, details: Partial<ResourceChange> = {}): ResourceChange {
  const { type, name, protect, retainOnDelete: retained } = resource;
  const identity = { operation, label: label(resource), type, name };
  return { ...identity, properties: [], because: [], protected: protect, retained, ...details };
}

/** What reviewers want to know of a new resource; the rest is as with every other. */
const TELLING = ["image", "memory", "user", "networksAdvanced", "mounts", "ports", "internal", "ipamConfigs", "create"];

function added(resource: Recorded): ResourceChange {
  const given = changedInputs({ inputs: {}, secrets: [] }, resource).filter(({ path }) => TELLING.includes(path));
  return plain("add", resource, { properties: readable(given) });
}

function compareResource(before: Recorded, after: Recorded): ResourceChange | undefined {
  const ignored = (path: string): boolean => after.ignoreChanges.some((pattern) => matchesPath(pattern, path));
  const changes = changedInputs(before, after).filter(({ path }) => !ignored(path));
  const options = readable(changedInputs(optionsOf(before), optionsOf(after)));
  const order = changedOrder(before, after);
  const properties = [...readable(changes), ...options, ...order];
  if (properties.length === 0) return undefined;
  const isReplaced = changes.some(({ path }) => isReplacedBy(after, path));
  const isTold = changes.length + options.length > 0;
  const details = { properties, protected: before.protect };
  return plain(isReplaced ? "replace" : isTold ? "change" : "order", after, details);
}

/** The options that say what Pulumi may do to it. */
function optionsOf(resource: Recorded): Inputs {
  const { protect, retainOnDelete, deleteBeforeReplace, replaceOnChanges, ignoreChanges, provider } = resource;
  const kept = { protect, retainOnDelete, deleteBeforeReplace, replaceOnChanges, ignoreChanges };
  const option = { ...kept, provider: nameOf(provider), secretOutputs: resource.additionalSecretOutputs };
  return { inputs: { option }, secrets: [] };
}

function changedOrder(before: Recorded, after: Recorded): PropertyChange[] {
  const missing = (from: Recorded, others: Recorded): string[] =>
    from.dependencies.filter((urn) => !others.dependencies.includes(urn)).map(nameOf);
  const parts = [
    ...missing(before, after).map((name) => `- ${name}`),
    ...missing(after, before).map((name) => `+ ${name}`),
  ];
  return parts.length > 0 ? [{ path: "waits for", parts }] : [];
}

/** A resource that becomes another one changes those that use what it gives. @returns whether anything was found */
function passOn(now: ReadonlyMap<string, Recorded>, changed: Map<string, ResourceChange>): boolean {
  let found = false;
  for (const resource of now.values()) {
    const current = changed.get(resource.urn);
    if (current?.operation === "add") continue;
    for (const [property, urns] of Object.entries(resource.propertyDependencies)) {
      const sources = urns.filter((urn) => isRenewed(now.get(urn), changed));
      const reasons = sources.map((urn) => `${property}: ${label(now.get(urn) as Recorded)} is replaced`);
      const known = changed.get(resource.urn) ?? plain("change", resource);
      const fresh = reasons.filter((reason) => !known.because.includes(reason));
      if (fresh.length === 0) continue;
      found = true;
      const replaces = known.operation === "replace" || isReplacedBy(resource, property);
      const operation = replaces ? "replace" : "change";
      changed.set(resource.urn, { ...known, operation, because: [...known.because, ...fresh] });
    }
  }
  return found;
}

function isRenewed(source: Recorded | undefined, changed: ReadonlyMap<string, ResourceChange>): boolean {
  return source !== undefined && isAnotherWhenReplaced(source) && changed.get(source.urn)?.operation === "replace";
}

/** What differs in what the stack tells people. */
export function compareOutputs(before: Recording, after: Recording): PropertyChange[] {
  const told = ({ outputs, secretOutputs }: Recording): Inputs => ({ inputs: outputs, secrets: secretOutputs });
  return readable(changedInputs(told(before), told(after)));
}
