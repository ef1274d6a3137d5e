import { isRecord, isSecret, secret, type Properties, type Value } from "./values.ts";

/** One step into a value: a key, an index, or `*` for all of them. */
type Segment = string | number;

/** Takes a property path apart: `a.b[0]["c.d"]`, `triggers[*]`, `*`. */
export function parsePath(path: string): Segment[] {
  const segments: Segment[] = [];
  for (const [, key, index, quoted] of path.matchAll(/([^.[\]"]+)|\[(\d+|\*)\]|\["((?:[^"\\]|\\.)*)"\]/g)) {
    if (index !== undefined) segments.push(index === "*" ? "*" : Number(index));
    else segments.push(quoted ?? key ?? "");
  }
  return segments;
}

/** The path of a key below another path, in the notation of {@link parsePath}. */
export function joinPath(parent: string, segment: Segment): string {
  if (typeof segment === "number") return `${parent}[${segment}]`;
  if (!/^[\w-]+$/.test(segment)) return `${parent}[${JSON.stringify(segment)}]`;
  return parent === "" ? segment : `${parent}.${segment}`;
}

/**
 * Whether a change at `path` is one of what the option `pattern` (`a`, `a[*].b`, `*`) speaks of.
 *
 * A change of a whole (a list that appeared, a secret that is not looked into) counts as one of all its parts.
 */
export function matchesPath(pattern: string, path: string): boolean {
  const actual = parsePath(path);
  return parsePath(pattern).every((segment, at) => segment === "*" || at >= actual.length || segment === actual[at]);
}

/**
 * The new inputs with everything that `ignoreChanges` names taken from the old ones: what was not there is left out again.
 */
export function ignoreChanges(after: Properties, before: Properties, patterns: readonly string[]): Properties {
  let result: Value | undefined = after;
  for (const pattern of patterns) result = keepOld(result, before, parsePath(pattern));
  return isRecord(result) ? result : {};
}

function keepOld(after: Value | undefined, before: Value | undefined, path: readonly Segment[]): Value | undefined {
  const [head, ...rest] = path;
  if (head === undefined) return before;
  if (isSecret(after) || isSecret(before)) {
    const kept = keepOld(isSecret(after) ? after.value : after, isSecret(before) ? before.value : before, path);
    return kept === undefined ? undefined : secret(kept);
  }
  if (Array.isArray(after)) return keepOldElements(after, before, head, rest);
  if (!isRecord(after)) return after;
  const old: Properties = isRecord(before) ? before : {};
  const result: Properties = { ...after };
  for (const key of head === "*" ? new Set([...Object.keys(after), ...Object.keys(old)]) : [String(head)]) {
    const kept = keepOld(after[key], old[key], rest);
    if (kept === undefined) delete result[key];
    else result[key] = kept;
  }
  return result;
}

function keepOldElements(after: Value[], before: Value | undefined, head: Segment, rest: readonly Segment[]): Value[] {
  const old = Array.isArray(before) ? before : [];
  // `list[*]` takes the whole list; an index beyond the old list's end has nothing to keep
  if (head === "*" && rest.length === 0) return old;
  return after.flatMap((element, at) => {
    if (head !== "*" && head !== at) return [element];
    const kept = keepOld(element, old[at], rest);
    return kept === undefined ? [] : [kept];
  });
}
