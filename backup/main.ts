import { randomUUID } from "node:crypto";
import { statfs } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { EXIT, UserError, type ExitCode } from "../errors.ts";
import { parseCommandLine } from "./command-line.ts";
import { execute } from "./commands.ts";
import type { Effects } from "./effects.ts";
import { createLock, createRun } from "./exec.ts";
import { goMemory } from "./go-memory.ts";
import { httpRequest } from "./http.ts";
import { openJob, readDelivered, type Credentials, type Job } from "./job.ts";
import { objectStore } from "./object-store.ts";
import { ROOTS } from "./paths.ts";
import type { Plan } from "./plan.ts";
import { readDelivered as readSeed, runSeed, SEED_ROOTS } from "./restore.ts";
import { chooseBackup } from "./restore-choice.ts";
import { parseRestoreLine } from "./restore-line.ts";
import { extract } from "./restore-parts.ts";
import { openBackups } from "./restore-steps.ts";
import { serve } from "./serve.ts";

type S3Keys = Pick<Credentials, "s3AccessKey" | "s3SecretKey">;

// The backup job inside its container. Progress goes to standard error, results to standard output.

function realEffects(plan: Plan, credentials: S3Keys, interrupted: AbortSignal): Effects {
  const { endpoints, s3Region: region } = plan;
  const { s3AccessKey: accessKeyId, s3SecretKey: secretAccessKey } = credentials;
  return {
    run: createRun({ PATH: process.env["PATH"], HOME: "/tmp", ...goMemory(process.constrainedMemory()) }, interrupted),
    request: httpRequest,
    objects: objectStore({ endpoint: endpoints.s3, region, accessKeyId, secretAccessKey }),
    lock: createLock(interrupted),
    freeBytes: async (path) => {
      const { bavail, bsize } = await statfs(path);
      return bavail * bsize;
    },
    now: () => new Date(),
    newId: () => randomUUID(),
    report: (line) => console.error(line),
  };
}

async function main(argv: readonly string[]): Promise<ExitCode> {
  const interrupted = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => interrupted.abort());
  if (argv[0] === "restore") return await restore(argv.slice(1), interrupted.signal);
  const request = parseCommandLine(argv);
  const open = (): Promise<Job> => openOwn(interrupted.signal);
  if (request.command === "serve") {
    const until = async (time: Date): Promise<void> => {
      const wait = Math.max(0, time.getTime() - Date.now());
      await sleep(wait, undefined, { signal: interrupted.signal }).catch(() => undefined);
    };
    await serve({ open, until, interrupted: interrupted.signal });
    return EXIT.ok;
  }
  const { result, lines, exitCode } = await execute(await open(), request);
  console.log(request.json ? JSON.stringify(result) : lines.join("\n"));
  return exitCode;
}

async function openOwn(interrupted: AbortSignal): Promise<Job> {
  const delivered = await readDelivered(ROOTS);
  const effects = realEffects(delivered.plan, delivered.credentials, interrupted);
  return openJob(ROOTS, delivered, effects, `/tmp/job-${String(process.pid)}`);
}

/** In a container of its own for a seed, in the job's for everything else. */
async function restore(argv: readonly string[], interrupted: AbortSignal): Promise<ExitCode> {
  const request = parseRestoreLine(argv);
  if (request.kind === "seed") {
    const delivered = await readSeed(SEED_ROOTS.files);
    const effects = realEffects(delivered.plan, delivered, interrupted);
    console.log(JSON.stringify(await runSeed(SEED_ROOTS, delivered, effects, request.request)));
    return EXIT.ok;
  }
  const job = await openOwn(interrupted);
  const backups = openBackups({ ...job, caCertificate: job.credentials.offsiteCa });
  const commit = await chooseBackup(backups, request.choice, job.plan.owner);
  if (commit === undefined) throw new UserError("restore: there is no backup yet", "npx foundation backup now");
  console.log(JSON.stringify(await extract(job, commit, request.extraction, request.dryRun)));
  return EXIT.ok;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(`error: ${error.message}\nhint: ${error.hint}`);
  process.exitCode = error.exitCode;
}
