import { lchown, lstat, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EXIT, UserError } from "../errors.ts";
import { renderCommit, type Commit } from "./commit.ts";
import type { Effects } from "./effects.ts";
import { replaceFile } from "./files.ts";
import { layout, type Roots } from "./paths.ts";
import { parsePlan, type Plan } from "./plan.ts";
import { claimRepository, isOurs, openRepository } from "./repository.ts";
import { Restic } from "./restic.ts";
import { type Journal, parseJournal, renderJournal } from "./restore-journal.ts";
import { seed, type SeedEffects } from "./restore-seed.ts";
import { findData, type Offsite, openBackups, type Restore, restoreSteps } from "./restore-steps.ts";
import { openBucket } from "./restore-upload.ts";

/** What the container of stage 3 was given as files; it may write to the stores, and knows nothing of Vault. */
export interface Delivered {
  readonly plan: Plan;
  readonly offsitePassword: string;
  /** absent where the offsite is not ours */
  readonly offsiteCa?: string;
  /** of PostgreSQL's superuser */
  readonly postgresPassword: string;
  readonly s3AccessKey: string;
  readonly s3SecretKey: string;
}

/** Directories of that container. */
export interface SeedRoots extends Pick<Roots, "state" | "files"> {
  /** has a directory for each volume, named as its tree's path ends */
  readonly targets: string;
  readonly seed: string;
  /** in memory */
  readonly temporary: string;
}

/** Where everything is in the container. */
export const SEED_ROOTS: SeedRoots = {
  state: "/var/lib/backup",
  files: "/etc/foundation",
  targets: "/target",
  seed: "/seed",
  temporary: "/tmp/restore",
};

/** Reads what was delivered. @throws UserError (config) */
export async function readDelivered(directory: string): Promise<Delivered> {
  const text = async (name: string): Promise<string> => {
    const path = join(directory, name);
    return await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      throw new UserError(`${path}: ${error.code ?? error.message}`, "pulumi up delivers it", EXIT.config);
    });
  };
  const plan = parsePlan(join(directory, "plan.json"), await text("plan.json"));
  return {
    plan,
    offsitePassword: await text("offsite_password"),
    ...(isOurs(plan.offsite) ? { offsiteCa: await text("offsite_ca.pem") } : {}),
    postgresPassword: await text("postgres_password"),
    s3AccessKey: await text("s3_access_key"),
    s3SecretKey: await text("s3_secret_key"),
  };
}

/** `restore --seed REQUEST`: see {@link seed}. */
export async function runSeed(
  roots: SeedRoots,
  delivered: Delivered,
  effects: Effects,
  request: string,
): Promise<Journal> {
  const restore = await openRestore(roots, delivered, effects);
  if (!isOurs(restore.repository)) await claimRepository(restore, request);
  const path = join(roots.seed, "seed.json");
  const seedEffects: SeedEffects = {
    readJournal: async () => {
      const text = await readFile(path, "utf8").catch(() => undefined);
      return text === undefined ? undefined : parseJournal(path, text);
    },
    writeJournal: async (journal) => {
      // What was restored has to be on the disk before it is said to be.
      if (journal.mode === "restored") await effects.run("sync", [], { timeoutSeconds: 3600 });
      await replaceFile(path, renderJournal(journal));
    },
    findData: () => findData(restore),
    backups: openBackups(restore),
    steps: (commit) => [
      ...restoreSteps(restore, commit),
      { name: "volume backup-data", run: () => handOver(roots.state, commit) },
    ],
    now: () => effects.now().getTime() / 1000,
    log: (line) => effects.report(line),
  };
  return await seed(seedEffects, delivered.plan.owner, request);
}

async function openRestore(roots: SeedRoots, delivered: Delivered, effects: Effects): Promise<Restore & Offsite> {
  const { plan } = delivered;
  const passwordFile = join(roots.temporary, "pgpass");
  await mkdir(roots.temporary, { recursive: true });
  await writeFile(passwordFile, `*:*:*:*:${delivered.postgresPassword}\n`, { mode: 0o600 });
  const directories = { files: roots.files, cache: join(roots.seed, "cache"), temporary: roots.temporary };
  const repository = await openRepository(plan.offsite, delivered.offsitePassword, directories);
  const login = { endpoint: plan.endpoints.s3, region: plan.s3Region };
  const keys = { accessKeyId: delivered.s3AccessKey, secretAccessKey: delivered.s3SecretKey };
  return {
    plan,
    effects,
    repository,
    caCertificate: delivered.offsiteCa,
    restic: new Restic(effects, repository),
    layout: layout(roots),
    server: { effects, address: plan.endpoints.postgres, passwordFile },
    store: openBucket(effects.objects, { ...login, ...keys }),
    targetOf: ({ path }) => join(roots.targets, path.slice(path.lastIndexOf("/") + 1)),
    seedDirectory: roots.seed,
  };
}

/** What was made here as root is the job's from now on, and with it what the first run compares the stores with. */
async function handOver(state: string, commit: Commit): Promise<void> {
  const { uid, gid } = await lstat(state);
  for (const name of ["stage", "mirror", "state"]) {
    await mkdir(join(state, name), { recursive: true });
    await lchown(join(state, name), uid, gid);
  }
  const { restored } = layout({ state });
  await replaceFile(restored, renderCommit(commit));
  await lchown(restored, uid, gid);
}
