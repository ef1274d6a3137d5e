import { rmSync } from "node:fs";
import { join } from "node:path";
import { contentHash } from "./content-hash.ts";
import { debootstrapArgv, type DebianRelease } from "./debian.ts";
import { exists, importArgv } from "./docker.ts";
import { once } from "./once.ts";
import type { Rig } from "./rig.ts";
import { makeScratch } from "./scratch.ts";

/** A release's file system as an image in the local Docker. */
export interface BaseImage {
  readonly hash: string;
  /** makes it on first use, and returns its name */
  readonly provide: () => Promise<string>;
}

/** Where Debian packages come from; a mirror nearer by is set with FOUNDATION_DEBIAN_MIRROR. */
export function debianMirror(environment: Readonly<Record<string, string | undefined>>): string {
  return environment["FOUNDATION_DEBIAN_MIRROR"] || "http://deb.debian.org/debian";
}

export function baseImage(rig: Rig, release: DebianRelease): BaseImage {
  const hash = contentHash([], debootstrapArgv(release, "mirror", "archive"));
  const tag = `foundation-sandbox/${release.suite}:${hash}`;
  return { hash, provide: () => once(tag, () => make(rig, release, tag)) };
}

async function make(rig: Rig, release: DebianRelease, tag: string): Promise<string> {
  if (await exists(rig.exec, "image", tag)) return tag;
  const scratch = makeScratch(rig.paths);
  const archive = join(scratch, "root.tar");
  try {
    await rig.progress.step(`debian ${release.suite}`, "installing the base system", async () => {
      await rig.exec(debootstrapArgv(release, debianMirror(rig.environment), archive));
      await rig.exec(importArgv(archive, tag));
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return tag;
}
