import { lchown, lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { applyRefs, findRepositories } from "./refs.ts";

/** What {@link restoreRefs} did. */
export interface RestoredRefs {
  readonly repositories: number;
  /** created after the references were captured, so that nothing in the set knows of them */
  readonly removed: readonly string[];
  /** deleted after that, so that there are no objects */
  readonly missing: readonly string[];
}

/**
 * Gives restored repositories the references of the manifest, whatever their files say: those were copied while somebody
 * pushed. Repositories without a manifest go, because one that the database does not know blocks its name.
 *
 * @param manifests directory of `OWNER/NAME.git/{packed-refs,HEAD}`
 * @param root directory of the repositories
 */
export async function restoreRefs(manifests: string, root: string): Promise<RestoredRefs> {
  const known = new Set(await findRepositories(manifests));
  const there = await findRepositories(root);
  const removed = there.filter((repository) => !known.has(repository));
  for (const repository of removed) await rm(join(root, repository), { recursive: true });
  const restored = there.filter((repository) => known.has(repository));
  for (const repository of restored) await restoreRepository(join(manifests, repository), join(root, repository));
  return { repositories: restored.length, removed, missing: [...known].filter((name) => !there.includes(name)) };
}

/** {@link restoreRefs} for one repository. */
export async function restoreRepository(manifest: string, repository: string): Promise<void> {
  await removeLocks(repository);
  await applyRefs(manifest, repository);
  const { uid, gid } = await lstat(repository);
  for (const name of ["HEAD", "packed-refs", "refs", "refs/heads", "refs/tags"]) {
    await lchown(join(repository, name), uid, gid);
  }
}

/** A copy of a repository in use has the locks of commands that were running then; they would never be given back. */
async function removeLocks(repository: string): Promise<void> {
  const isLock = (name: string): boolean => name.endsWith(".lock") || name === "gc.pid";
  for (const directory of [repository, join(repository, "objects/info"), join(repository, "objects/pack")]) {
    const names = await readdir(directory).catch(() => []);
    for (const name of names.filter(isLock)) await rm(join(directory, name), { force: true });
  }
}
