import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import { contentHash } from "../content-hash.ts";
import type { Rig } from "../rig.ts";
import { BINARIES, type Binary, type BinaryName } from "./binary.ts";
import { compileGo } from "./go-build.ts";
import { findChecksum, unpack } from "./ready-made.ts";

/** Where a compiled program is, or will be. */
export interface BinaryPlan {
  /** holds `bin/` and perhaps `share/` */
  readonly directory: string;
  /** decides the hash of the image it goes into */
  readonly hash: string;
  /** verified ready-made archive to take it from, if there is one */
  readonly readyMade: { readonly archive: string; readonly checksum: string } | undefined;
}

/** Decides where a program comes from, without getting it. */
export function planBinary({ paths }: Rig, name: BinaryName): BinaryPlan {
  const binary: Binary = BINARIES[name];
  const checksum = paths.readyMade ? findChecksum(paths.readyMade, binary.archive) : undefined;
  const recipe = join(paths.project, "sandbox", "parts", "go", name);
  const hash = checksum?.slice(0, 16) ?? contentHash(existsSync(recipe) ? [recipe] : [], [JSON.stringify(binary)]);
  return {
    hash,
    directory: join(paths.cache, "binaries", `${name}-${hash}`),
    readyMade: paths.readyMade && checksum ? { archive: join(paths.readyMade, binary.archive), checksum } : undefined,
  };
}

/** Makes sure that a planned program is on disk. */
export async function provideBinary(rig: Rig, name: BinaryName, plan: BinaryPlan): Promise<void> {
  const { source, version, archive }: Binary = BINARIES[name];
  const { directory, readyMade } = plan;
  if (existsSync(directory)) return;
  if (readyMade) {
    await rig.progress.step(name, `unpacking ${archive}`, () =>
      unpack(rig, readyMade.archive, readyMade.checksum, directory),
    );
  } else if (source.language === "go") {
    await compileGo(rig, { name, version, source }, directory);
  } else {
    throw new UserError(`${name}: not built yet`, "npm run sandbox rustfs");
  }
}
