import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { replaceIfDifferent } from "./files.ts";
import type { Job } from "./job.ts";

/** Writes what a person needs to make sense of a set without this program: what it is of, and what wrote it. */
export async function writeMeta({ effects, layout, plan }: Job, server: string): Promise<void> {
  await mkdir(layout.meta, { recursive: true });
  const restic = await effects.run("restic", ["version"], { timeoutSeconds: 30 });
  const about = { plan, postgres: server, restic: restic.stdout.trim() };
  await replaceIfDifferent(join(layout.meta, "about.json"), `${JSON.stringify(about, undefined, 2)}\n`);
}
