import { existsSync } from "node:fs";
import { IMAGES, type ImageName } from "../images.ts";
import { baseImage } from "./base-image.ts";
import { PARTS_BASE, VM_BASE } from "./debian.ts";
import { sandboxFiles } from "./files.ts";
import { ensureLocalImage } from "./local-image.ts";
import { ensureNetwork } from "./network.ts";
import { planBinary } from "./parts/binaries.ts";
import { ensurePart, type ImageSources } from "./parts/image-build.ts";
import { PARTS, RUSTFS, type Part } from "./parts/part.ts";
import { parsePin, pullImage, registryAnswers } from "./pulled-images.ts";
import { ensureRegistry, type Registry } from "./registry.ts";
import type { Rig } from "./rig.ts";
import { hasOffsite, readStackConfig, runnerIsolation } from "./stack-config.ts";

/** `pulled`: production's own images; `parts`: made here from packages; `auto`: each pulled if its registry answers. */
export type ImageMode = "auto" | "pulled" | "parts";

/** One image as the VMs get it. */
export interface ProvidedImage {
  /** key in the program's configuration */
  readonly image: ImageName;
  readonly reference: string;
  /** what production runs, and what this is instead; the same for pulled ones */
  readonly production: string;
  readonly actual: string;
}

/** What VMs need before they can start and pull. */
export interface MachineBasis {
  readonly vmImage: string;
  /** first three octets of the sandbox's network */
  readonly prefix: string;
  readonly registry: Registry;
}

/** Everything that has to be there before the foundation can be deployed. */
export interface Provision extends MachineBasis {
  readonly images: readonly ProvidedImage[];
}

/** Network, registry and VM image, as far as possible at the same time. */
export function prepareMachines(rig: Rig): Promise<MachineBasis> {
  return provide(rig, "parts", () => []);
}

/** The same and the images, made or pulled while the VM image is made. */
export async function provide(rig: Rig, mode: ImageMode, choose = chosenParts): Promise<Provision> {
  const [partsBase, vmBase] = [baseImage(rig, PARTS_BASE), baseImage(rig, VM_BASE)];
  const prefix = await ensureNetwork(rig);
  const registryWithImages = async (): Promise<Pick<Provision, "registry" | "images">> => {
    const registryImage = await ensureLocalImage(rig, "registry", "parts/registry", partsBase);
    const registry = await ensureRegistry(rig, registryImage, prefix);
    const answering = await findAnswering(mode);
    const sources = { registry, base: partsBase };
    const images = await Promise.all(choose(rig).map((part) => provideImage(rig, sources, part, answering, mode)));
    return { registry, images };
  };
  const [vmImage, provided] = await Promise.all([
    ensureLocalImage(rig, "vm", "vm/image", vmBase),
    registryWithImages(),
  ]);
  return { prefix, vmImage, ...provided };
}

/** What a stack does without, by where it runs jobs. */
const WITHOUT = { off: ["runner", "job"], container: ["job"], rootless: [] } as const;

/** What only a stack with an offsite uses. */
const OFFSITE_IMAGES: readonly ImageName[] = ["restic", "restServer", "node"];

/** The parts that the stack uses, with the real RustFS in place of its stand-in as soon as there is a binary of it. */
export function chosenParts(rig: Rig): readonly Part[] {
  const rustfs = planBinary(rig, "rustfs");
  const hasRustfs = rustfs.readyMade !== undefined || existsSync(rustfs.directory);
  const config = readStackConfig(sandboxFiles(rig.paths).config);
  const unused: ImageName[] = [...WITHOUT[runnerIsolation(config)], ...(hasOffsite(config) ? [] : OFFSITE_IMAGES)];
  return PARTS.filter(({ image }) => !unused.includes(image)).map((part) =>
    part.image === "rustfs" && hasRustfs ? RUSTFS : part,
  );
}

/** Hosts of the registries that can be pulled from. */
async function findAnswering(mode: ImageMode): Promise<ReadonlySet<string>> {
  const hosts = [...new Set(Object.values(IMAGES).map((pin) => parsePin(pin).host))];
  if (mode === "pulled") return new Set(hosts);
  if (mode === "parts") return new Set();
  const answers = await Promise.all(hosts.map(registryAnswers));
  return new Set(hosts.filter((_, index) => answers[index]));
}

async function provideImage(
  rig: Rig,
  sources: ImageSources,
  part: Part,
  answering: ReadonlySet<string>,
  mode: ImageMode,
): Promise<ProvidedImage> {
  const { image, standsInFor: production } = part;
  if (answering.has(parsePin(IMAGES[image]).host)) {
    try {
      const { reference } = await pullImage(rig, sources.registry, image);
      return { image, reference, production, actual: production };
    } catch (error) {
      if (mode === "pulled") throw error;
      rig.progress.say(
        image,
        `cannot be pulled, made from packages instead: ${(error as Error).message.split("\n")[0] ?? ""}`,
      );
    }
  }
  const { reference, version } = await ensurePart(rig, sources, part);
  return { image, reference, production, actual: `${part.name} ${version}` };
}
