import { changelog, majorOf } from "./changelogs.ts";
import { CONTAINER, IMAGE, ofType } from "./policy/rule.ts";
import type { Recording } from "./record.ts";

/** An image of which another version is used than before. */
export interface ImageChange {
  /** the last two parts of its name: `library/postgres` */
  readonly image: string;
  /** tag; empty where it was not used */
  readonly before: string;
  /** tag; empty where it is used no more */
  readonly after: string;
  /** the first part of the version is another one: there may be something to do by hand */
  readonly isMajor: boolean;
  /** the tag is the same and the content is not */
  readonly isRepinned: boolean;
  /** where to read what is new */
  readonly changelog?: string;
}

const PINNED = /[a-z0-9][\w.:/-]*:[\w][\w.-]*@sha256:[0-9a-f]{64}/g;

/** The images that are used in another version, by name. What the VM builds itself is none. */
export function changedImages(before: Recording, after: Recording): ImageChange[] {
  const [old, now] = [references(before), references(after)];
  return [...new Set([...old.keys(), ...now.keys()])].toSorted().flatMap((image) => {
    const missing = (versions: readonly string[] = [], others: readonly string[] = []): string[] =>
      versions.filter((version) => !others.includes(version));
    const [gone, come] = [missing(old.get(image), now.get(image)), missing(now.get(image), old.get(image))];
    // Of an image that is used in two versions, one may go or come without the other becoming it.
    return Array.from({ length: Math.max(gone.length, come.length) }, (_, at) => step(image, gone[at], come[at]));
  });
}

function step(image: string, from = "", to = ""): ImageChange {
  const [before, after] = [tagOf(from), tagOf(to)];
  const link = changelog(image, after);
  const isMajor = [before, after].every((tag) => /\d/.test(tag)) && majorOf(before) !== majorOf(after);
  const versions = { image, before, after, isMajor, isRepinned: before === after };
  return link === undefined ? versions : { ...versions, changelog: link };
}

/** Each `tag@digest` by image, wherever in the graph it is written: the offsite's are words of a command. */
function references(run: Recording): Map<string, string[]> {
  const named = ofType(run, IMAGE, CONTAINER).map(({ inputs }) =>
    String(inputs.name && inputs.image ? inputs.image : inputs.name),
  );
  const inText = run.resources.flatMap(({ inputs }) => JSON.stringify(inputs).match(PINNED) ?? []);
  const found = new Map<string, string[]>();
  for (const reference of new Set([...named, ...inText].toSorted())) {
    const [, name = "", version = ""] = /^(.*?):([\w][\w.-]*(?:@sha256:.*)?)$/.exec(withoutHost(reference)) ?? [];
    if (name === "" || name.startsWith("foundation/")) continue;
    const versions = found.get(lastTwo(name)) ?? [];
    if (!versions.includes(version)) found.set(lastTwo(name), [...versions, version]);
  }
  return found;
}

const withoutHost = (reference: string): string => reference.replace(/^[\w.-]+(:\d+)?\/(?=.*\/)/, "");
/** Docker's own images have one part less in a short name. */
const lastTwo = (name: string): string =>
  name.includes("/") ? name.split("/").slice(-2).join("/") : `library/${name}`;
const tagOf = (version: string): string => version.split("@", 1)[0] ?? "";
