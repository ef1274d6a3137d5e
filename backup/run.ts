import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { leaveCanary } from "./canary.ts";
import { COMMIT_FILE, renderCommit, type Commit, type Degradation } from "./commit.ts";
import { writeGitCanary } from "./forge.ts";
import type { Job } from "./job.ts";
import { writeMeta } from "./meta.ts";
import { mirrorBucket, writeObjectCanary } from "./mirror.ts";
import { dumpDatabases, readLayout, writeDatabaseCanary, type CapturedDatabases } from "./postgres.ts";
import { probeOffsite } from "./probe.ts";
import { Progress, size } from "./progress.ts";
import { captureRefs, type CapturedRefs } from "./refs.ts";
import { requireOwnRepository } from "./repository.ts";
import { backupArguments, commitArguments, explain, isIncomplete, parseSummary, type Summary } from "./restic.ts";
import { checkRebuilt } from "./rebuilt.ts";
import { captureVault, formerVault, type CapturedVault } from "./vault.ts";

/** Kept free for the services, whatever the backup would like to write. */
const RESERVE_BYTES = 512 * 1024 * 1024;
const UPLOAD_SECONDS = 12 * 3600;
const COMMIT_SECONDS = 300;
/** Runs of the part that must not see a repository come, go or be renamed. */
const ATTEMPTS = 2;

/** A set that has its marker. */
export interface Committed {
  /** id of the snapshot that holds the marker */
  readonly id: string;
  readonly commit: Commit;
  readonly summary: Summary;
}

/** Seconds by step, filled as the run goes. */
export type Timings = Record<string, number>;

/** What one pass over the stores has captured. */
interface Captured {
  readonly postgres: CapturedDatabases;
  readonly git: CapturedRefs;
  readonly s3: Record<string, { objects: number; bytes: number }>;
  readonly degraded: readonly Degradation[];
}

/**
 * Makes one set and commits it.
 *
 * The order is what makes it consistent without stopping anything: a row is dumped before the references that it may
 * be about, references before the objects that they name, and blobs last, since all of them are written before, and
 * deleted after, what refers to them.
 *
 * @throws UserError where there is no set; what has been uploaded by then has no marker and counts for nothing
 */
export async function makeSet(job: Job, seconds: Timings): Promise<Committed> {
  const { effects, plan } = job;
  const started = effects.now().toISOString();
  const step = timer(job, seconds);
  await step("offsite", async () => {
    await probeOffsite(effects, job.repository, job.credentials.offsiteCa);
    await requireOwnRepository(job);
  });
  await step("space", () => prepareStage(job));
  await checkRebuilt(job);
  const vault = await step("vault", () => vaultPart(job));
  for (let attempt = 1; ; attempt += 1) {
    const before = await readLayout(job);
    const captured = await capture(job, step);
    await step("meta", () => writeMeta(job, captured.postgres.server));
    const summary = await step("upload", () => upload(job));
    const settled = before === (await readLayout(job));
    if (!settled && attempt < ATTEMPTS) {
      effects.report("backup: a repository came, went or was renamed meanwhile: once more");
      continue;
    }
    const degraded = [...vault.degraded, ...captured.degraded, ...(settled ? [] : [UNSETTLED])];
    const { postgres, git, s3 } = captured;
    const { owner, vmId } = plan;
    const finished = effects.now().toISOString();
    const commit: Commit = {
      ...{ version: 1, owner, vmId, run: job.run, started, finished, snapshot: summary.snapshot, degraded },
      ...{ postgres: { ...postgres, databases: [...postgres.databases] }, git, s3, vault: vault.part },
      kit: await readKit(job.roots.kit),
    };
    const id = await step("commit", () => writeMarker(job, commit));
    return { id, commit, summary };
  }
}

const UNSETTLED: Degradation = {
  part: "git",
  reason: "repositories came, went or were renamed while it was captured; the next set has them right",
};

type Step = <T>(name: string, work: () => Promise<T>) => Promise<T>;

function timer({ effects }: Job, seconds: Timings): Step {
  return async (name, work) => {
    const from = effects.now().getTime();
    try {
      return await work();
    } finally {
      const took = (effects.now().getTime() - from) / 1000;
      seconds[name] = Math.round(((seconds[name] ?? 0) + took) * 1000) / 1000;
      effects.report(`backup: ${name}: ${took.toFixed(1)} s`);
    }
  };
}

/** Removes what an interrupted run left, and makes sure that the disk is not filled up. */
async function prepareStage({ effects, layout, plan }: Job): Promise<void> {
  for (const directory of [layout.stage, layout.mirrors]) {
    await mkdir(directory, { recursive: true });
    // A mirror is large, and only its top has partial files.
    const entries = await readdir(directory, { recursive: directory === layout.stage, withFileTypes: true });
    const stale = entries.filter(({ name }) => name.endsWith(".new"));
    for (const { parentPath, name } of stale) await rm(join(parentPath, name), { force: true });
  }
  let needed = RESERVE_BYTES;
  for (const { name } of plan.databases) {
    // The former dump stays until the new one is whole.
    needed += Math.ceil(1.2 * ((await stat(layout.dump(name)).catch(() => undefined))?.size ?? 0));
  }
  const free = await effects.freeBytes(layout.stage);
  if (free >= needed) return;
  throw new UserError(
    `disk: ${size(free)} free on the VM, a backup needs ${size(needed)}`,
    "on the VM: df -h /var/lib/docker; du -xh --max-depth=2 /var/lib/docker/volumes | sort -h | tail",
  );
}

/** Vault is the one part without which there is a set: it is sealed after every reboot until somebody opens it. */
async function vaultPart(job: Job): Promise<CapturedVault> {
  try {
    return await captureVault(job);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const part = await formerVault(job);
    const instead = part ? `the snapshot is that of ${part.taken}` : "there is no snapshot";
    return { part, degraded: [{ part: "vault", reason: `${error.message}; ${instead}` }] };
  }
}

async function capture(job: Job, step: Step): Promise<Captured> {
  const { plan, layout } = job;
  const s3: Captured["s3"] = {};
  const degraded = await step("canary", async () => {
    await writeDatabaseCanary(job);
    await writeObjectCanary(job);
    // Last, because it is the one that need not answer: what is pushed is read from the forge's files.
    return await leaveCanary("git", () => writeGitCanary(job));
  });
  const postgres = await step("postgres", () => dumpDatabases(job));
  const git = await step("git", async () => {
    const roots = plan.trees.flatMap(({ path, git: inside }) => (inside === undefined ? [] : [join(path, inside)]));
    const found = await Promise.all(roots.map((root) => captureRefs(root, layout.refs)));
    const sum = (key: keyof CapturedRefs): number => found.reduce((total, each) => total + each[key], 0);
    return { repositories: sum("repositories"), refs: sum("refs") };
  });
  for (const bucket of plan.buckets) {
    const { objects, bytes, skipped, overwritten } = await step("s3", () => mirrorBucket(job, bucket));
    s3[bucket] = { objects, bytes };
    const lacking = [
      ["left out, because no file can have such a name", skipped],
      ["overwritten, though its like never changes; the copy of before is kept", overwritten],
    ] as const;
    for (const [what, [key, ...more]] of lacking) {
      if (key === undefined) continue;
      degraded.push({ part: "s3", reason: `${bucket}: ${what}: ${key} (${String(more.length + 1)} in all)` });
    }
  }
  return { postgres, git, s3, degraded };
}

/** restic's patterns for what is not read: what is captured otherwise, and what a push is still writing. */
export function excludes(job: Pick<Job, "plan" | "layout">): string[] {
  const patterns = [`${job.layout.mirrors}/.*.new`];
  for (const { path, git, exclude } of job.plan.trees) {
    patterns.push(...exclude.map((pattern) => `${path}/${pattern}`));
    if (git === undefined) continue;
    const repository = `${path}/${git}/*/*.git`;
    patterns.push(...["refs", "packed-refs", "logs", "*.lock"].map((name) => `${repository}/${name}`));
    patterns.push(`${repository}/objects/tmp_*`, `${repository}/objects/incoming-*`, `${repository}/objects/*/tmp_*`);
  }
  return patterns;
}

async function upload(job: Job): Promise<Summary> {
  const { effects, layout, plan, roots, restic } = job;
  const kit = await stat(roots.kit).catch(() => undefined);
  const paths = [layout.stage, layout.mirrors, ...plan.trees.map(({ path }) => path), ...(kit ? [roots.kit] : [])];
  const once = async () => {
    const progress = new Progress(effects, "upload", 0);
    const onLine = (line: string): void => {
      const done = /"bytes_done":(\d+)/.exec(line)?.[1];
      if (done !== undefined) progress.set(Number(done));
    };
    return restic.run(backupArguments(paths, excludes(job)), { timeoutSeconds: UPLOAD_SECONDS, onLine }, [3]);
  };
  let finished = await once();
  if (isIncomplete(finished)) {
    // A repack moves objects while they are read; a moment later it is over.
    effects.report(`backup: ${explain(finished).message.replace(/^restic: /, "")}: once more`);
    finished = await once();
  }
  if (isIncomplete(finished)) throw explain(finished);
  return parseSummary(finished.stdout);
}

async function readKit(directory: string): Promise<Commit["kit"]> {
  const text = await readFile(join(directory, "kit.json"), "utf8").catch(() => undefined);
  if (text === undefined) return null;
  const { commit } = JSON.parse(text) as { commit?: unknown };
  return { commit: String(commit), files: (await readdir(directory)).length };
}

async function writeMarker({ restic }: Job, commit: Commit): Promise<string> {
  const tags = ["commit", `set-${commit.snapshot}`, ...(commit.degraded.length > 0 ? ["degraded"] : [])];
  const options = { timeoutSeconds: COMMIT_SECONDS, input: renderCommit(commit) };
  return parseSummary((await restic.run(commitArguments(COMMIT_FILE, tags), options)).stdout).snapshot;
}
