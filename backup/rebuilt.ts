import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { compareCanaries, hasCanary } from "./canary.ts";
import { parseCommit, type Commit } from "./commit.ts";
import { canaryOf, canaryRepository } from "./forge.ts";
import type { Job } from "./job.ts";
import { CANARY_KEY } from "./mirror.ts";
import { readDatabaseCanary, ROLE } from "./postgres.ts";
import { readRefs } from "./refs.ts";
import { readStatus, writeStatus } from "./status.ts";
import { readVaultCanary } from "./vault.ts";

/**
 * Once on a VM that began with a backup, before the first run leaves its own mark: whether every store, Vault among
 * them, is of that backup. What is found is in the status, and keeps nobody from backing up.
 */
export async function checkRebuilt(job: Job): Promise<void> {
  const { effects, layout, plan } = job;
  const text = await readFile(layout.restored, "utf8").catch(() => undefined);
  const status = await readStatus(layout, plan);
  if (text === undefined || status.rebuilt !== null || status.commit !== null) return;
  const commit = parseCommit("restored.json", text);
  const found = await findCanaries(job, commit, (store, { message }) => {
    // That it cannot be asked says nothing about what is in it.
    effects.report(`backup: rebuilt: canary: the ${store} is not known: ${message}`);
  });
  const problems = compareCanaries(commit.run, found);
  const stores = [...found.keys()];
  const now = effects.now();
  const { snapshot } = commit;
  await writeStatus(layout, { ...status, rebuilt: { finished: now.toISOString(), snapshot, stores, problems } }, now);
  const same = `${stores.join(", ")} are all of backup ${snapshot.slice(0, 8)}`;
  for (const line of problems.length === 0 ? [same] : problems) effects.report(`backup: rebuilt: ${line}`);
}

/**
 * The canaries of every store that has one by the marker, in the stores as they are now.
 *
 * @param unknown is told of a store that cannot be asked
 */
export async function findCanaries(
  job: Job,
  commit: Commit,
  unknown: (store: string, error: Error) => void,
): Promise<Map<string, string>> {
  const { plan } = job;
  const found = new Map<string, string>();
  const look = async (store: string, read: () => Promise<string>): Promise<void> => {
    try {
      found.set(store, await read());
    } catch (error) {
      unknown(store, error as Error);
    }
  };
  if (commit.postgres.databases.some(({ name }) => name === ROLE)) await look("row", () => readDatabaseCanary(job));
  const [bucket] = plan.buckets;
  if (bucket !== undefined) await look("object", () => readObject(job, bucket));
  const tree = plan.trees.find(({ git }) => git !== undefined);
  if (tree && hasCanary(commit, "git")) {
    const repository = join(tree.path, tree.git ?? "", canaryRepository(plan));
    await look("git tag", async () => canaryOf((await readRefs(repository))?.ids.keys() ?? [], commit.run));
  }
  if (hasCanary(commit, "Vault")) await look("Vault key", () => readVaultCanary(job));
  return found;
}

async function readObject({ effects, layout, run }: Job, bucket: string): Promise<string> {
  const file = join(layout.mirrors, `.${run}.canary.new`);
  try {
    if (!(await effects.objects.download(bucket, CANARY_KEY, file))) return "none";
    return (await readFile(file, "utf8")).trim();
  } finally {
    await rm(file, { force: true });
  }
}
