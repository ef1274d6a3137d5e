import { isDeepStrictEqual } from "node:util";
import { joinPath } from "./paths.ts";
import { hasSecret, isRecord, isSecret, mask, reveal, secret, type Properties, type Value } from "./values.ts";

/** One property that differs. A side that is missing has no such property. */
export interface Change {
  /** as in `labels[0].value` */
  readonly path: string;
  readonly before?: Value;
  readonly after?: Value;
}

/**
 * What differs between two sets of properties, at the deepest level where it can be told. Only values count: a value
 * that merely became secret is no change.
 *
 * @param unordered paths without indices (`envs`, `networksAdvanced.aliases`) of lists that are sets
 */
export function diffProperties(before: Properties, after: Properties, unordered: readonly string[] = []): Change[] {
  return diff("", "", before, after, new Set(unordered));
}

/** A line for people: `memory: 128 => 256`. Secrets are masked. */
export function formatChange({ path, before, after }: Change): string {
  if (before === undefined) return `${path}: ${formatValue(after ?? null)}`;
  return `${path}: ${formatValue(before)} => ${after === undefined ? "(removed)" : formatValue(after)}`;
}

const LONGEST = 100;

/** A value on one line, secrets masked, cut where it gets too long to read. */
export function formatValue(value: Value): string {
  const masked = mask(value);
  // what stands for a value is not quoted, so that it cannot be taken for one
  if (masked !== value && typeof masked === "string") return masked;
  const text = JSON.stringify(masked);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

/** @param place the path without indices, for looking up in `unordered` */
function diff(
  path: string,
  place: string,
  before: Value | undefined,
  after: Value | undefined,
  unordered: ReadonlySet<string>,
): Change[] {
  if (isDeepStrictEqual(plain(before), plain(after))) return [];
  if (isSecret(before) || isSecret(after)) {
    return [
      change(path, before === undefined ? undefined : secret(before), after === undefined ? undefined : secret(after)),
    ];
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    if (unordered.has(place)) return diffSets(path, place, before, after, unordered);
    const length = Math.max(before.length, after.length);
    return Array.from({ length }).flatMap((_, at) => diff(joinPath(path, at), place, before[at], after[at], unordered));
  }
  if (isRecord(before) && isRecord(after)) {
    return [...new Set([...Object.keys(before), ...Object.keys(after)])]
      .toSorted()
      .flatMap((key) => diff(joinPath(path, key), joinPath(place, key), before[key], after[key], unordered));
  }
  return [change(path, before ?? undefined, after ?? undefined)];
}

function diffSets(
  path: string,
  place: string,
  before: Value[],
  after: Value[],
  unordered: ReadonlySet<string>,
): Change[] {
  const key = (element: Value): string => JSON.stringify(canonical(reveal(element), place, unordered));
  const left = new Map(before.map((element) => [key(element), element]));
  const right = new Map(after.map((element) => [key(element), element]));
  return [
    ...[...left].filter(([text]) => !right.has(text)).map(([, element]) => change(path, element, undefined)),
    ...[...right].filter(([text]) => !left.has(text)).map(([, element]) => change(path, undefined, element)),
  ];
}

/** The value with sets sorted and keys in order, so that equal ones have equal text. */
function canonical(value: Value, place: string, unordered: ReadonlySet<string>): Value {
  if (Array.isArray(value)) {
    const elements = value.map((element) => canonical(element, place, unordered));
    return unordered.has(place)
      ? elements.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
      : elements;
  }
  if (!isRecord(value)) return value;
  const keys = Object.keys(value).toSorted();
  return Object.fromEntries(keys.map((key) => [key, canonical(value[key] ?? null, joinPath(place, key), unordered)]));
}

/** Revealed, and null where there is nothing: the SDK sends null for what is not set inside a list. */
function plain(value: Value | undefined): Value {
  if (value === undefined) return null;
  return hasSecret(value) ? reveal(value) : value;
}

function change(path: string, before: Value | undefined, after: Value | undefined): Change {
  return { path, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) };
}
