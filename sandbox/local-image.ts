import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { BaseImage } from "./base-image.ts";
import { contentHash } from "./content-hash.ts";
import { BUILD_ENVIRONMENT, buildArgv, exists } from "./docker.ts";
import { once } from "./once.ts";
import type { Rig } from "./rig.ts";
import { makeScratch } from "./scratch.ts";

/**
 * Provides an image that this machine's Docker itself needs (VM, registry, compiler), and returns its name.
 *
 * The registry cannot keep these: it is one of them. So they are archived in the cache, for when Docker's own store is emptied.
 *
 * @param name short name; @param context folder with its Dockerfile, relative to sandbox/
 */
export function ensureLocalImage(rig: Rig, name: string, context: string, base: BaseImage): Promise<string> {
  const directory = join(rig.paths.project, "sandbox", context);
  const hash = contentHash([directory], [base.hash]);
  return once(`image ${name}`, () => provide(rig, { name, directory, hash, base }));
}

interface LocalImage {
  readonly name: string;
  readonly directory: string;
  readonly hash: string;
  readonly base: BaseImage;
}

async function provide({ exec, paths, progress }: Rig, { name, directory, hash, base }: LocalImage): Promise<string> {
  const image = `foundation-sandbox/${name}:${hash}`;
  if (await exists(exec, "image", image)) return image;
  const archive = join(paths.cache, "archives", `${name}-${hash}.tar`);
  if (existsSync(archive)) {
    await progress.step(name, "loading image from the cache", () => exec(["docker", "load", "--input", archive]));
    return image;
  }
  const from = await base.provide();
  await progress.step(name, "building image", async () => {
    await exec(buildArgv(image, directory, from), { environment: BUILD_ENVIRONMENT });
    mkdirSync(join(paths.cache, "archives"), { recursive: true });
    const scratch = makeScratch(paths);
    await exec(["docker", "save", "--output", join(scratch, "image.tar"), image]);
    renameSync(join(scratch, "image.tar"), archive);
    rmSync(scratch, { recursive: true, force: true });
  });
  return image;
}
