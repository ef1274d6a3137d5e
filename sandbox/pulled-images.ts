import { IMAGES, type ImageName } from "../images.ts";
import { contentHash } from "./content-hash.ts";
import { readManifest, writeManifest } from "./parts/manifest.ts";
import { findDigest, push, VM_REGISTRY, type Registry } from "./registry.ts";
import type { Rig } from "./rig.ts";

/** A production image, taken from its own registry and passed on through the rig's. */
export interface PulledImage {
  readonly image: ImageName;
  readonly reference: string;
}

/** Taken apart: `docker.io/library/postgres:18.6-trixie@sha256:…`. */
export function parsePin(pin: string): { host: string; repository: string; tag: string } {
  const [, host = "", repository = "", tag = ""] = /^([^/]+)\/(.+):([^:@]+)@sha256:[0-9a-f]+$/.exec(pin) ?? [];
  return { host, repository, tag };
}

/** Whether an image registry can be reached from here; a portal or proxy that refuses is none. */
export async function registryAnswers(host: string): Promise<boolean> {
  const name = host === "docker.io" ? "registry-1.docker.io" : host;
  const scheme = name.startsWith("127.0.0.1") ? "http" : "https";
  try {
    const response = await fetch(`${scheme}://${name}/v2/`, { signal: AbortSignal.timeout(4000), redirect: "manual" });
    return response.ok || (response.status === 401 && response.headers.has("www-authenticate"));
  } catch {
    return false;
  }
}

/** Pulls a production image by its digest, unless the rig's registry has it already. */
export async function pullImage(rig: Rig, registry: Registry, image: ImageName): Promise<PulledImage> {
  const pin = IMAGES[image];
  const { tag } = parsePin(pin);
  const hash = contentHash([], [pin]);
  const known = await readManifest(rig, image, hash);
  const describe = (digest: string): PulledImage => ({
    image,
    reference: `${VM_REGISTRY}/foundation/official/${image}:${tag}@${digest}`,
  });
  const name = `official/${image}`;
  if (known && (await findDigest(registry, name, hash)) === known.digest) return describe(known.digest);
  return rig.progress.step(image, `pulling ${pin.replace(/@.*/, "")}`, async () => {
    await rig.exec(["docker", "pull", "--quiet", pin]);
    const digest = await push(rig, registry, pin, name, [hash, tag]);
    await writeManifest(rig, image, hash, { version: tag, digest });
    return describe(digest);
  });
}
