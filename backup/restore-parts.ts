import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import type { Commit } from "./commit.ts";
import type { Effects } from "./effects.ts";
import { measure } from "./files.ts";
import type { Layout, Roots } from "./paths.ts";
import type { Plan } from "./plan.ts";
import type { Restic } from "./restic.ts";
import { restoreDirectory } from "./restore-files.ts";
import { restoreRefs, restoreRepository } from "./restore-git.ts";
import { requireRoom } from "./room.ts";

/** A part of a backup that can be had by itself. */
export const PARTS = ["forgejo", "postgres", "s3", "vault", "repo", "all"] as const;
/** Its name. */
export type Part = (typeof PARTS)[number];

/** What is taken out of a backup. */
export interface Extraction {
  readonly part: Part;
  /** OWNER/NAME, for `repo` */
  readonly repository?: string;
}

/** What {@link extract} has written, or would write. */
export interface Extracted {
  readonly snapshot: string;
  readonly backup: string;
  /** directory in the container */
  readonly directory: string;
  /** what is in it, a line each */
  readonly content: readonly string[];
}

/** What it works with; nothing here can write to a store. */
export interface Extractor {
  readonly plan: Plan;
  readonly effects: Effects;
  readonly restic: Restic;
  readonly layout: Layout;
  readonly roots: Pick<Roots, "state" | "kit">;
}

/**
 * Takes one part of a backup out of it, into a directory beside the services: they go on, and nothing of theirs is
 * changed. What was taken out before of the same backup is replaced.
 */
export async function extract(
  extractor: Extractor,
  commit: Commit,
  { part, repository }: Extraction,
  dryRun: boolean,
): Promise<Extracted> {
  const { snapshot, finished: backup } = commit;
  const directory = join(extractor.roots.state, "restored", `${part}-${snapshot.slice(0, 8)}`);
  const result = { snapshot, backup, directory, content: describePart(commit, part, repository) };
  if (dryRun) return result;
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  if (part === "all") await requireRoom(extractor, "restore", snapshot, directory);
  await WRITERS[part](extractor, commit, directory, repository);
  return result;
}

type Writer = (extractor: Extractor, commit: Commit, directory: string, repository?: string) => Promise<void>;

const WRITERS: Readonly<Record<Part, Writer>> = {
  forgejo: async (extractor, { snapshot }, directory) => {
    const refs = await restoreManifests(extractor, snapshot, directory);
    for (const tree of extractor.plan.trees.filter(({ git }) => git !== undefined)) {
      const target = join(directory, tree.volume);
      await restoreDirectory(extractor, { snapshot, source: tree.path, target });
      await restoreRefs(refs, join(target, tree.git ?? ""));
    }
    await rm(refs, { recursive: true, force: true });
  },
  postgres: async (extractor, commit, directory) => {
    const source = join(extractor.layout.stage, "pg");
    await restoreDirectory(extractor, { snapshot: commit.snapshot, source, target: directory });
    for (const { name, sha256 } of commit.postgres.databases) {
      await requireSame(join(directory, `${name}.dump`), sha256, `the dump of ${name}`);
    }
  },
  s3: async (extractor, { snapshot }, directory) => {
    await restoreDirectory(extractor, { snapshot, source: extractor.layout.mirrors, target: directory });
  },
  vault: async (extractor, { snapshot, vault }, directory) => {
    if (vault === null) throw new UserError("restore: this backup has nothing of Vault", OTHER);
    await restoreDirectory(extractor, { snapshot, source: join(extractor.layout.stage, "vault"), target: directory });
    await requireSame(join(directory, "raft.snap"), vault.sha256, "the snapshot of Vault");
  },
  repo: restoreOne,
  all: async (extractor, commit, directory) => {
    const { snapshot } = commit;
    for (const part of commit.vault === null ? STORES : ([...STORES, "vault"] as const)) {
      await mkdir(join(directory, part), { mode: 0o700 });
      await WRITERS[part](extractor, commit, join(directory, part));
    }
    for (const { path, volume } of extractor.plan.trees.filter(({ git }) => git === undefined)) {
      await restoreDirectory(extractor, { snapshot, source: path, target: join(directory, volume) });
    }
    const { kit } = extractor.roots;
    await restoreDirectory(extractor, { snapshot, source: kit, target: join(directory, "kit"), isOptional: true });
  },
};

const STORES = ["forgejo", "postgres", "s3"] as const;

const OTHER = "choose another one: npx foundation backup list";

async function restoreOne(
  extractor: Extractor,
  { snapshot }: Commit,
  directory: string,
  repository = "",
): Promise<void> {
  const name = `${repository.toLowerCase()}.git`;
  const refs = await restoreManifests(extractor, snapshot, directory);
  const manifest = join(refs, name);
  await readFile(join(manifest, "HEAD")).catch(() => {
    throw new UserError(`restore: there is no repository ${repository} in this backup`, OTHER);
  });
  const target = join(directory, name);
  const tree = extractor.plan.trees.find(({ git }) => git !== undefined);
  const source = join(tree?.path ?? "", tree?.git ?? "", name);
  await restoreDirectory(extractor, { snapshot, source, target });
  await restoreRepository(manifest, target);
  await rm(refs, { recursive: true, force: true });
}

/** @returns directory of the manifests */
async function restoreManifests(extractor: Extractor, snapshot: string, directory: string): Promise<string> {
  const target = join(directory, ".refs");
  // A forge without a repository has none.
  await restoreDirectory(extractor, { snapshot, source: extractor.layout.refs, target, isOptional: true });
  return target;
}

async function requireSame(path: string, sha256: string, what: string): Promise<void> {
  if ((await measure(path)).sha256 === sha256) return;
  throw new UserError(`restore: ${what} is not the one that the backup describes`, OTHER);
}

function describePart(commit: Commit, part: Part, repository?: string): string[] {
  const { git, postgres, s3, vault } = commit;
  switch (part) {
    case "forgejo":
      return [`${String(git.repositories)} repositories, ${String(git.refs)} references`];
    case "postgres":
      return postgres.databases.map(({ name, bytes }) => `${name}.dump, ${String(bytes)} bytes`);
    case "s3":
      return Object.entries(s3).map(([bucket, { objects, bytes }]) => {
        return `${bucket}: ${String(objects)} objects, ${String(bytes)} bytes`;
      });
    case "vault":
      return vault === null ? [] : [`raft.snap, ${String(vault.bytes)} bytes, of ${vault.taken}, epoch ${vault.epoch}`];
    case "all":
      return [...STORES, "vault" as const].flatMap((each) => describePart(commit, each));
    case "repo":
      return [`${(repository ?? "").toLowerCase()}.git`];
  }
}
