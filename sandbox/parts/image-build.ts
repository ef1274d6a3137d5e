import { cpSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { contentHash } from "../content-hash.ts";
import { BUILD_ENVIRONMENT, buildArgv } from "../docker.ts";
import { findDigest, push, type Registry, VM_REGISTRY } from "../registry.ts";
import type { Rig } from "../rig.ts";
import { makeScratch } from "../scratch.ts";
import { Slots } from "../slots.ts";
import { BINARIES } from "./binary.ts";
import { planBinary, provideBinary } from "./binaries.ts";
import { readManifest, writeManifest } from "./manifest.ts";
import { upstreamVersion, type Part } from "./part.ts";

/** An image that the VMs can pull. */
export interface BuiltImage {
  readonly part: Part;
  readonly version: string;
  /** `127.0.0.1:5000/foundation/<name>:<version>@sha256:<digest>` */
  readonly reference: string;
}

/** What building needs beside the rig. `base` makes the lowest layer on first use. */
export interface ImageSources {
  readonly registry: Registry;
  readonly base: { readonly hash: string; readonly provide: () => Promise<string> };
}

// More than two builds at once on a small machine only make each other slower.
const builds = new Slots(2);

/** Finds a part's image in the registry by the hash of all its inputs, or builds and pushes it. */
export async function ensurePart(rig: Rig, sources: ImageSources, part: Part): Promise<BuiltImage> {
  const context = join(rig.paths.project, "sandbox", "parts", part.name);
  const binary = "binary" in part.from ? part.from.binary : undefined;
  const plan = binary && planBinary(rig, binary);
  const nodeVersion = "program" in part.from ? (await rig.exec([rig.node, "--version"])).stdout.trim().slice(1) : "";
  const hash = contentHash([context], [sources.base.hash, plan?.hash ?? nodeVersion]);
  const known = await readManifest(rig, part.name, hash);
  if (known && (await findDigest(sources.registry, part.name, hash)) === known.digest) return describe(part, known);

  if (binary && plan) await provideBinary(rig, binary, plan);
  const base = await sources.base.provide();
  return builds.run(async () => {
    const image = `foundation-sandbox/${part.name}:${hash}`;
    const copied = "program" in part.from ? { "bin/node": realpathSync(rig.node) } : { ".": plan?.directory };
    await rig.progress.step(part.name, "building image", () => build(rig, image, base, context, copied));
    const version = nodeVersion || (await readVersion(rig, part, image));
    const digest = await push(rig, sources.registry, image, part.name, [hash, version]);
    await writeManifest(rig, part.name, hash, { version, digest });
    return describe(part, { version, digest });
  });
}

function describe(part: Part, { version, digest }: { version: string; digest: string }): BuiltImage {
  return { part, version, reference: `${VM_REGISTRY}/foundation/${part.name}:${version}@${digest}` };
}

/** @param copied what goes into the build's directory beside the part's own files: from where, by path there */
async function build(
  rig: Rig,
  image: string,
  base: string,
  files: string,
  copied: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const context = makeScratch(rig.paths);
  try {
    cpSync(files, context, { recursive: true });
    for (const [to, from] of Object.entries(copied)) if (from) cpSync(from, join(context, to), { recursive: true });
    await rig.exec(buildArgv(image, context, base), { environment: BUILD_ENVIRONMENT });
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

async function readVersion(rig: Rig, part: Part, image: string): Promise<string> {
  if ("binary" in part.from) return BINARIES[part.from.binary].version;
  if (!("package" in part.from)) throw new Error(`part ${part.name}: no package`);
  const query = ["dpkg-query", "--show", "--showformat=${Version}", part.from.package];
  const { stdout } = await rig.exec(["docker", "run", "--rm", "--network=none", "--entrypoint=", image, ...query]);
  return upstreamVersion(stdout);
}
