import { lchown, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import type { Effects } from "./effects.ts";
import { describe } from "./progress.ts";
import type { Restic } from "./restic.ts";

const TIMEOUT_SECONDS = 12 * 3600;
const REPORT_MS = 2000;

/**
 * Arguments that make a directory what it was in a snapshot, and nothing else: what is there too much goes, so that a
 * restore that was cut short can be done again. `--no-lock`: a full offsite takes no lock, and must give back all the same.
 */
export function restoreArguments(snapshot: string, source: string, target: string): string[] {
  return ["restore", `${snapshot}:${source}`, "--target", target, "--delete", "--no-lock", "--json"];
}

/**
 * Restores a directory of a snapshot.
 *
 * @param source absolute path in the snapshot
 * @param isOptional whether it may be absent there
 */
export async function restoreDirectory(
  { restic, effects }: { restic: Restic; effects: Effects },
  { snapshot, source, target, isOptional = false }: Source,
): Promise<void> {
  const reporter = progressReporter(effects, source);
  const options = { timeoutSeconds: TIMEOUT_SECONDS, onLine: reporter };
  try {
    await restic.run(restoreArguments(snapshot, source, target), options);
  } catch (error) {
    if (isOptional && error instanceof UserError && /not found|no such file/i.test(error.message)) return;
    throw error;
  }
  await adoptOwner(target);
}

/** What {@link restoreDirectory} restores, and where to. */
export interface Source {
  readonly snapshot: string;
  readonly source: string;
  readonly target: string;
  readonly isOptional?: boolean;
}

/** restic restores what is in a directory, not the directory: it belongs to whom its content belongs to. */
async function adoptOwner(directory: string): Promise<void> {
  const [first] = await readdir(directory);
  if (first === undefined) return;
  const { uid, gid } = await lstat(join(directory, first));
  const own = await lstat(directory);
  if (own.uid !== uid || own.gid !== gid) await lchown(directory, uid, gid);
}

/** Turns restic's status lines into a line now and then. */
function progressReporter(effects: Pick<Effects, "now" | "report">, what: string): (line: string) => void {
  let said = effects.now().getTime();
  return (line) => {
    const now = effects.now().getTime();
    if (now - said < REPORT_MS || !line.includes('"status"')) return;
    said = now;
    const {
      bytes_restored: done = 0,
      total_bytes: total = 0,
      seconds_elapsed: seconds = 0,
    } = JSON.parse(line) as Status;
    effects.report(`restore: ${what}: ${describe(done, total, seconds)}`);
  };
}

interface Status {
  readonly bytes_restored?: number;
  readonly total_bytes?: number;
  readonly seconds_elapsed?: number;
}
