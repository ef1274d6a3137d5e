import { diffProperties, type Change } from "../sandbox/engine/diff.ts";
import { isRecord, isSecret, reveal, secret, type Properties, type Value } from "../sandbox/engine/values.ts";

/** One property that differs, as people read it. A side that is missing had, or has, no such property. */
export interface PropertyChange {
  /** `memory`, `envs POSTGRES_DB`, `mounts /data` */
  readonly path: string;
  readonly before?: string;
  readonly after?: string;
  /** in place of both where the value is secret or a long text: what of it differs */
  readonly parts?: readonly string[];
  /** the value is secret, and nothing of it is shown */
  readonly secret?: true;
}

/** Lists whose order means nothing, by path without indices. */
const SETS = [
  ...["envs", "labels", "mounts", "securityOpts", "networksAdvanced", "ports", "ipamConfigs"],
  ...["networksAdvanced.aliases", "capabilities.adds", "capabilities.drops"],
];

/** How an element of such a list is named and shown, so that `a=1` instead of `a=2` is one change and not two. */
const ELEMENTS: Readonly<Record<string, (element: Value) => readonly [name: string, text: string]>> = {
  envs: (element) => {
    const [name = "", ...value] = (typeof element === "string" ? element : "").split("=");
    return [name, value.join("=")];
  },
  labels: (element) => [field(element, "label"), field(element, "value")],
  mounts: (element) => {
    const readOnly = field(element, "readOnly") === "true" ? " (read-only)" : "";
    return [field(element, "target"), `${field(element, "type")} ${field(element, "source")}${readOnly}`];
  },
  networksAdvanced: (element) => {
    const aliases = isRecord(element) && Array.isArray(element["aliases"]) ? (element["aliases"] as string[]) : [];
    return [field(element, "name"), aliases.length > 0 ? `as ${aliases.join(", ")}` : "joined"];
  },
  ports: (element) => [
    `${field(element, "external")}/${field(element, "protocol")}`,
    `${field(element, "ip")}:${field(element, "external")} to ${field(element, "internal")}`,
  ],
};

const field = (element: Value, key: string): string => {
  const value = isRecord(element) ? element[key] : undefined;
  return typeof value === "object" || value === undefined ? "" : String(value);
};

/** What a resource was told, with the secrets in it marked. */
export interface Inputs {
  readonly inputs: Readonly<Record<string, unknown>>;
  /** paths, such as `stdin` */
  readonly secrets: readonly string[];
}

/** The raw differences, by which it is decided what they do. */
export function changedInputs(before: Inputs, after: Inputs): Change[] {
  const [left, right] = [marked(before), marked(after)];
  return diffProperties({ ...emptyLists(right), ...left }, { ...emptyLists(left), ...right }, SETS);
}

/** A list that is not there is an empty one, so that what comes or goes is a change of each element. */
function emptyLists(values: Properties): Properties {
  const lists = Object.entries(values).filter(([, value]) => Array.isArray(value));
  return Object.fromEntries(lists.map(([key]) => [key, []]));
}

/** The differences as people read them, in the order of the paths. */
export function readable(changes: readonly Change[]): PropertyChange[] {
  const named = changes.flatMap((change) => inside(change) ?? [nameElement(change)]);
  const paths = [...new Set(named.map(({ path }) => path))];
  // Of a set, what went and what came are two; of one name they are one.
  return paths.map((path) => Object.assign({}, ...named.filter((change) => change.path === path)) as PropertyChange);
}

function marked({ inputs, secrets }: Inputs): Properties {
  const mark = (value: Value, path: string): Value => {
    if (secrets.includes(path)) return secret(value);
    if (Array.isArray(value)) return value.map((item, index) => mark(item, `${path}[${String(index)}]`));
    if (!isRecord(value)) return value;
    const entries = Object.entries(value).map(
      ([key, item]) => [key, mark(item, path ? `${path}.${key}` : key)] as const,
    );
    return Object.fromEntries(entries);
  };
  return mark(inputs as Value, "") as Properties;
}

function nameElement({ path, before, after }: Change): PropertyChange {
  const element = ELEMENTS[path];
  const shown = (value: Value): string => (element === undefined ? show(value) : element(value)[1]);
  const sample = after ?? before ?? null;
  if (isSecret(sample)) return { path, secret: true, parts: secretParts(before, after) };
  return {
    path: element === undefined ? path : `${path} ${element(sample)[0]}`,
    ...(before === undefined ? {} : { before: shown(before) }),
    ...(after === undefined ? {} : { after: shown(after) }),
  };
}

const LONGEST = 120;

/** A value on one line. Of a digest, which is there for machines, the beginning. */
function show(value: Value): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const short = text.replaceAll(/(@sha256:[0-9a-f]{8})[0-9a-f]{56}/g, "$1…");
  return short.length > LONGEST ? `${short.slice(0, LONGEST)}…` : short;
}

/** Of two texts that have more to them: which lines differ, or what differs in the JSON that they are. */
function inside({ path, before, after }: Change): PropertyChange[] | undefined {
  if (typeof before !== "string" || typeof after !== "string") return undefined;
  const [left, right] = [jsonObject(before), jsonObject(after)];
  if (left && right) {
    const sets = [...listPaths(left), ...listPaths(right)];
    const below = (key: string): string => `${path} ${key}`;
    return diffProperties(left, right, sets).map((change) => {
      // An element of a list, which came or went, is a change of its own.
      const at = sets.includes(change.path)
        ? `${below(change.path)} ${show(change.after ?? change.before ?? null)}`
        : "";
      return { ...nameElement(change), path: at || below(change.path) };
    });
  }
  if (before.includes("\n") || after.includes("\n"))
    return [{ path, parts: changedParts(before, after, "\n", "lines") }];
  const isCommandLine = [before, after].every((text) => text.split(" ").length > 4);
  return isCommandLine ? [{ path, parts: changedParts(before, after, " ", "words") }] : undefined;
}

/** Inside of a secret nothing is shown but the names of files or keys whose content differs. */
function secretParts(before: Value | undefined, after: Value | undefined): string[] {
  const left = named(before);
  const right = named(after);
  return [...new Set([...Object.keys(left), ...Object.keys(right)])]
    .filter((name) => JSON.stringify(left[name]) !== JSON.stringify(right[name]))
    .toSorted();
}

function named(value: Value | undefined): Properties {
  const text = value === undefined ? "" : reveal(value);
  if (typeof text !== "string") return isRecord(text) ? text : {};
  return filesOf(text) ?? jsonObject(text) ?? {};
}

/** Content by name of what is delivered as `NAME BASE64` lines; undefined for any other text. */
export function filesOf(text: string): Record<string, string> | undefined {
  if (!/^([\w.-]+ [A-Za-z0-9+/]*={0,2}\n)+$/.test(text)) return undefined;
  const lines = text.trimEnd().split("\n");
  return Object.fromEntries(
    lines.map((line) => {
      const [name = "", content = ""] = line.split(" ");
      return [name, Buffer.from(content, "base64").toString()];
    }),
  );
}

function jsonObject(text: string): Properties | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    return JSON.parse(text) as Properties;
  } catch {
    return undefined;
  }
}

function listPaths(value: Value, path = ""): string[] {
  if (Array.isArray(value)) return [path];
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, item]) => listPaths(item, path ? `${path}.${key}` : key));
}

const MOST_PARTS = 8;

/** What of a text went and what came: its lines, or the words of a command line. */
function changedParts(before: string, after: string, separator: string, what: string): string[] {
  const [left, right] = [before.split(separator), after.split(separator)];
  const missing = (parts: readonly string[], others: readonly string[]): string[] => {
    const rest = [...others];
    return parts.filter((part) => {
      const at = rest.indexOf(part);
      if (at >= 0) rest.splice(at, 1);
      return at < 0;
    });
  };
  const gone = missing(left, right);
  const come = missing(right, left);
  if (gone.length + come.length > MOST_PARTS) return [`${gone.length} ${what} gone, ${come.length} ${what} new`];
  const shown = [...gone.map((part) => `- ${show(part.trim())}`), ...come.map((part) => `+ ${show(part.trim())}`)];
  return shown.length > 0 ? shown : [`${what} in another order`];
}
