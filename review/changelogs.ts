/**
 * Where it is written what is new in a version, by the last two parts of an image's name, which stay the same behind a
 * mirror. Only of images that this project pins; any other has no link.
 */
const CHANGELOGS: Readonly<Record<string, (version: string) => string>> = {
  "library/postgres": (version) => `https://www.postgresql.org/docs/release/${numberOf(version)}/`,
  "rustfs/rustfs": (version) => `https://github.com/rustfs/rustfs/releases/tag/${version}`,
  "hashicorp/vault": (version) => `https://github.com/hashicorp/vault/releases/tag/v${numberOf(version)}`,
  "forgejo/forgejo": (version) => `https://codeberg.org/forgejo/forgejo/releases/tag/v${numberOf(version)}`,
  "forgejo/runner": (version) => `https://code.forgejo.org/forgejo/runner/releases/tag/v${numberOf(version)}`,
  "library/caddy": (version) => `https://github.com/caddyserver/caddy/releases/tag/v${numberOf(version)}`,
  "restic/restic": (version) => `https://github.com/restic/restic/releases/tag/v${numberOf(version)}`,
  "restic/rest-server": (version) => `https://github.com/restic/rest-server/releases/tag/v${numberOf(version)}`,
  "library/node": (version) =>
    `https://github.com/nodejs/node/blob/main/doc/changelogs/CHANGELOG_V${majorOf(version)}.md`,
};

/** Images that {@link changelog} knows. */
export const KNOWN_IMAGES: readonly string[] = Object.keys(CHANGELOGS);

/** Where to read what a version of an image brings; undefined for an image that is not known. */
export function changelog(image: string, version: string): string | undefined {
  return /\d/.test(version) ? CHANGELOGS[image]?.(version) : undefined;
}

/** The number in a tag: `18.6` of `18.6-trixie`. */
const numberOf = (version: string): string => /\d[\d.]*\d|\d/.exec(version)?.[0] ?? version;

/** The first part of the number in a tag; a step of it may need work by hand. */
export const majorOf = (version: string): string => numberOf(version).split(".")[0] ?? version;
