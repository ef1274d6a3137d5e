import { createHash, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inParallel } from "../../../backup/parallel.ts";
import { tarArchive, type TarFile } from "../../../cli/backup-image/tar.ts";
import type { VerifyContext } from "../../../cli/verify/context.ts";
import { must } from "../rig.ts";
import type { Owner, Seen } from "./load.ts";

// Twenty images by the real docker: made here as `docker load` takes them, all on one layer that they share.

const NAMES = 4;
const TAGS = ["1", "2", "3", "4", "5"];
const PARALLEL = 3;

/** @returns the layers of every image by its digest */
export async function putImages({ sites, forge }: VerifyContext, owner: Owner, directory: string): Promise<Seen> {
  await must(["docker", "login", "--username", forge.username, "--password-stdin", sites.git], { input: owner.token });
  const names = Array.from(
    { length: NAMES },
    (_, index) => `${sites.git}/${forge.organisation}/${owner.name}-${String(index)}`,
  );
  const references = names.flatMap((name) => TAGS.map((tag) => `${name}:${tag}`));
  const { archive, layers } = imageArchive(references);
  await writeFile(join(directory, "images.tar"), archive);
  await must(["docker", "load", "--quiet", "--input", join(directory, "images.tar")]);
  const seen: Record<string, string> = {};
  for (const name of names) {
    const said = await must(["docker", "push", "--all-tags", name]);
    for (const [, tag = "", digest = ""] of said.matchAll(/^(\S+): digest: (sha256:[0-9a-f]{64})/gm))
      seen[`image ${name}@${digest}`] = JSON.stringify(layers.get(`${name}:${tag}`));
  }
  await must(["docker", "image", "rm", "--force", ...references]);
  return seen;
}

/** Pulls each by its digest. Docker itself compares the content with the digest. */
export async function lookAtImages(put: Seen): Promise<Seen> {
  const seen: Record<string, string> = {};
  const references = Object.keys(put).flatMap((name) => /^image (.*)/.exec(name)?.[1] ?? []);
  const pull = async (reference: string): Promise<void> => {
    await must(["docker", "pull", "--quiet", reference]);
    const format = ["--format", "{{json .RootFS.Layers}}"];
    seen[`image ${reference}`] = await must(["docker", "image", "inspect", ...format, reference]);
  };
  await inParallel(references, pull, PARALLEL);
  await must(["docker", "image", "rm", "--force", ...references]);
  return seen;
}

/** Images of two layers each, of which all have the first. */
export function imageArchive(references: readonly string[]): { archive: Buffer; layers: Map<string, string[]> } {
  const base = layer(300_000);
  const files: TarFile[] = [base.file];
  const layers = new Map<string, string[]>();
  const manifest = references.map((reference) => {
    const own = layer(100_000);
    const ids = [base.id, own.id];
    const config = Buffer.from(
      JSON.stringify({ architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: ids } }),
    );
    const name = `${sha256(config)}.json`;
    files.push(own.file, { name, content: config });
    layers.set(reference, ids);
    return { Config: name, RepoTags: [reference], Layers: [base.file.name, own.file.name] };
  });
  files.push({ name: "manifest.json", content: Buffer.from(JSON.stringify(manifest)) });
  return { archive: tarArchive(files), layers };
}

function layer(bytes: number): { file: TarFile; id: string } {
  const content = tarArchive([{ name: "content", content: randomBytes(bytes) }]);
  return { file: { name: `${sha256(content)}.tar`, content }, id: `sha256:${sha256(content)}` };
}

const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex");
