import { UserError } from "../errors.ts";
import type { Job } from "./job.ts";
import { readStatus, writeStatus, type Status } from "./status.ts";

const CHECK_SECONDS = 4 * 3600;
const LOCK_SECONDS = 1800;

/** What a check found. */
export type Checked = NonNullable<Status["check"]>;

/**
 * Has restic check the repository: its structure, and where a part is named, that much of its data by reading it.
 *
 * @param part `n/t`: the n-th of t equal parts; undefined reads no data
 */
export async function checkRepository(job: Job, part: string | undefined): Promise<Checked> {
  const { effects, layout, plan, restic } = job;
  // A check locks out every other command of restic's; a run that waits for the lock need not fail on that.
  const release = await effects.lock(layout.lock, LOCK_SECONDS);
  if (release === undefined)
    throw new UserError("lock: somebody has held it for 30 minutes", "npx foundation backup check");
  let reason: string | undefined;
  try {
    const subset = part === undefined ? [] : [`--read-data-subset=${part}`];
    await restic.run(["check", ...subset], { timeoutSeconds: CHECK_SECONDS });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    reason = error.message;
  } finally {
    release();
  }
  const now = effects.now();
  const found = { finished: now.toISOString(), part: part ?? "structure", ...(reason === undefined ? {} : { reason }) };
  await writeStatus(layout, { ...(await readStatus(layout, plan)), check: found }, now);
  effects.report(`backup: check of ${found.part}: ${reason ?? "nothing wrong"}`);
  return found;
}
