import { copyFile, lchown, lstat, mkdir, readdir, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import type { Commit, VaultPart } from "./commit.ts";
import type { Effects } from "./effects.ts";
import { measure, replaceFile } from "./files.ts";
import type { Layout } from "./paths.ts";
import type { Plan, Tree } from "./plan.ts";
import { probeOffsite } from "./probe.ts";
import type { Repository, Restic } from "./restic.ts";
import type { Backups } from "./restore-choice.ts";
import { databasesWithTables, restoreDatabase, type Server } from "./restore-database.ts";
import { restoreDirectory } from "./restore-files.ts";
import { restoreRefs } from "./restore-git.ts";
import { type Bucket, hasObjects, restoreBucket } from "./restore-objects.ts";
import type { Step } from "./restore-seed.ts";
import { readCommit, setsOf } from "./sets.ts";

/** What a restore works with: the same plan as the backup, and stores that it may write to. */
export interface Restore {
  readonly plan: Plan;
  readonly effects: Effects;
  readonly restic: Restic;
  readonly layout: Layout;
  readonly server: Server;
  readonly store: Bucket;
  /** directory with a volume in it, by the tree that is restored there */
  readonly targetOf: (tree: Tree) => string;
  /** where Vault's snapshot is put for the unseal helper */
  readonly seedDirectory: string;
}

/** The complete sets at the offsite. @throws UserError where that does not answer as it should */
export function openBackups({ restic, effects, repository, caCertificate }: Offsite): Backups {
  return {
    list: async () => {
      await probeOffsite(effects, repository, caCertificate);
      return setsOf(await restic.snapshots("commit"));
    },
    read: (set) => readCommit(restic, set),
    report: (line) => effects.report(line),
  };
}

/** Where backups come from. */
export interface Offsite {
  readonly restic: Restic;
  readonly effects: Effects;
  readonly repository: Repository;
  /** PEM; undefined where the offsite is not ours */
  readonly caCertificate: string | undefined;
}

/** What already holds data, of everything that a restore would write to. */
export async function findData({ plan, server, store, targetOf }: Restore): Promise<string[]> {
  const data: string[] = [];
  for (const tree of plan.trees) {
    if ((await readdir(targetOf(tree))).some((name) => name !== "lost+found")) data.push(`volume ${tree.volume}`);
  }
  const databases = await databasesWithTables(
    server,
    plan.databases.map(({ name }) => name),
  );
  data.push(...databases.map((name) => `database ${name}`));
  for (const bucket of plan.buckets) if (await hasObjects(store, bucket)) data.push(`bucket ${bucket}`);
  return data;
}

/**
 * Everything that restores a set, in order; the stage holds the dumps and references that the others need. What a consumer
 * had that is no longer declared is left out: there is no role to own it and no bucket to take it.
 */
export function restoreSteps(restore: Restore, commit: Commit): Step[] {
  const { plan, layout, server } = restore;
  const { snapshot, postgres } = commit;
  const keep = <T>(kind: string, all: readonly T[], nameOf: (each: T) => string, wanted: readonly string[]): T[] =>
    all.filter((each) => {
      const isWanted = wanted.includes(nameOf(each));
      if (!isWanted) restore.effects.report(`restore: ${kind} ${nameOf(each)} is not in the configuration: left out`);
      return isWanted;
    });
  const declared = plan.databases.map(({ name }) => name);
  const databases = keep("database", postgres.databases, ({ name }) => name, declared);
  const buckets = keep("bucket", Object.keys(commit.s3), (name) => name, plan.buckets);
  return [
    {
      name: "stage",
      run: () => restoreDirectory(restore, { snapshot, source: layout.stage, target: layout.stage }),
    },
    ...plan.trees.map((tree) => ({ name: `volume ${tree.volume}`, run: () => restoreTree(restore, snapshot, tree) })),
    ...databases.map((part) => ({
      name: `database ${part.name}`,
      run: () => restoreDatabase(server, layout.dump(part.name), part, postgres.server),
    })),
    {
      name: "mirror",
      run: () =>
        restoreDirectory(restore, { snapshot, source: layout.mirrors, target: layout.mirrors, isOptional: true }),
    },
    ...buckets.map((bucket) => ({
      name: `bucket ${bucket}`,
      run: () => fillBucket(restore, bucket),
    })),
    ...(commit.vault === null ? [] : [vaultStep(restore, commit.vault)]),
  ];
}

async function restoreTree(restore: Restore, snapshot: string, tree: Tree): Promise<void> {
  const target = restore.targetOf(tree);
  await restoreDirectory(restore, { snapshot, source: tree.path, target });
  if (tree.git === undefined) return;
  const { removed, missing } = await restoreRefs(restore.layout.refs, join(target, tree.git));
  for (const name of removed)
    restore.effects.report(`restore: git: ${name} was created while the backup was taken: left out`);
  for (const name of missing) restore.effects.report(`restore: git: ${name} was deleted while the backup was taken`);
}

/** Also tells the next backup which of its mirror is current, or it would fetch everything again. */
async function fillBucket({ effects, layout, store }: Restore, bucket: string): Promise<void> {
  await restoreBucket(store, effects, bucket, layout.mirror(bucket));
  const tags: Record<string, string> = {};
  for await (const { key, tag } of store.list(bucket)) tags[key] = tag;
  const index = layout.mirrorIndex(bucket);
  await mkdir(dirname(index), { recursive: true });
  await replaceFile(index, JSON.stringify(tags));
  const { uid, gid } = await lstat(dirname(layout.mirrors));
  await lchown(index, uid, gid);
}

/** Vault takes it later, when it is initialised: the shares are with the operator. */
function vaultStep({ layout, seedDirectory }: Restore, part: VaultPart): Step {
  return {
    name: "vault",
    run: async () => {
      const { bytes, sha256 } = await measure(layout.vaultSnapshot);
      if (bytes !== part.bytes || sha256 !== part.sha256) {
        throw new UserError(
          `vault: ${basename(layout.vaultSnapshot)} is not the one that the backup describes`,
          "choose another backup: npx foundation backup list",
        );
      }
      const target = join(seedDirectory, "vault.snap");
      await copyFile(layout.vaultSnapshot, `${target}.new`);
      await replaceFile(join(seedDirectory, "vault.json"), `${JSON.stringify(part, undefined, 2)}\n`);
      await rename(`${target}.new`, target);
    },
  };
}
