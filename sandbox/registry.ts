import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { EXIT, UserError } from "../errors.ts";
import { inspectContainer } from "./docker.ts";
import { NETWORK, addressOf } from "./network.ts";
import type { Rig } from "./rig.ts";
import { LABEL } from "./label.ts";

export const REGISTRY = "foundation-sandbox-registry";

/** The rig's registry as seen from here. */
export interface Registry {
  /** `127.0.0.1:PORT`; inside a VM it is always 127.0.0.1:5000 */
  readonly address: string;
}

/** How an image is known in the VMs. */
export const VM_REGISTRY = "127.0.0.1:5000";

export function runRegistryArgv(image: string, data: string, prefix: string): string[] {
  return [
    ...["docker", "run", "--detach", "--name", REGISTRY, "--label", LABEL, "--restart=unless-stopped"],
    ...["--network", NETWORK, "--ip", addressOf("registry", prefix)],
    // Loopback only, on any free port: Docker talks plain HTTP to loopback registries without being configured to.
    ...["--publish", "127.0.0.1::5000", "--volume", `${data}:/var/lib/registry`],
    image,
  ];
}

/** Starts the registry unless it runs with this image. Its data is in the cache, so `destroy` does not lose it. */
export async function ensureRegistry(rig: Rig, image: string, prefix: string): Promise<Registry> {
  const { exec, paths } = rig;
  const data = join(paths.cache, "registry");
  const state = await inspectContainer(exec, REGISTRY, "{{.State.Running}} {{.Config.Image}}");
  if (state === `false ${image}`) await exec(["docker", "start", REGISTRY]);
  else if (state !== `true ${image}` || !existsSync(data)) {
    if (state !== undefined) await exec(["docker", "rm", "--force", REGISTRY]);
    mkdirSync(data, { recursive: true });
    await exec(runRegistryArgv(image, data, prefix));
  }
  const address = (await exec(["docker", "port", REGISTRY, "5000/tcp"])).stdout.trim().split("\n")[0] ?? "";
  await waitUntilReady(address);
  return { address };
}

async function waitUntilReady(address: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const response = await fetch(`http://${address}/v2/`).catch(() => undefined);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new UserError(`registry ${address}: no answer after 10 s`, `docker logs ${REGISTRY}`, EXIT.failed);
}

const MANIFEST_TYPES = [
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
].join(", ");

/** Digest of `foundation/<name>:<tag>`, `undefined` if the registry has no such image. */
export async function findDigest(registry: Registry, name: string, tag: string): Promise<string | undefined> {
  const response = await fetch(`http://${registry.address}/v2/foundation/${name}/manifests/${tag}`, {
    method: "HEAD",
    headers: { accept: MANIFEST_TYPES },
  });
  return response.ok ? (response.headers.get("docker-content-digest") ?? undefined) : undefined;
}

/** Pushes a local image under one or more tags and returns its digest. */
export async function push(
  rig: Rig,
  registry: Registry,
  image: string,
  name: string,
  tags: readonly string[],
): Promise<string> {
  for (const tag of tags) {
    const reference = `${registry.address}/foundation/${name}:${tag}`;
    await rig.exec(["docker", "tag", image, reference]);
    await rig.exec(["docker", "push", "--quiet", reference]);
    await rig.exec(["docker", "rmi", reference]);
  }
  const digest = await findDigest(registry, name, tags[0] ?? "");
  if (digest === undefined)
    throw new UserError(`registry ${registry.address}: pushed ${name} is not there`, `docker logs ${REGISTRY}`);
  return digest;
}
