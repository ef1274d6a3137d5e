import { COMMIT_FILE, parseCommit, type Commit } from "../../backup/commit.ts";
import type { MarkedSet } from "../../backup/sets.ts";
import { EXIT, UserError } from "../../errors.ts";
import { listSnapshots } from "../offsite/offsite.ts";
import { resticOnOffsite, type OffsiteHost } from "./offsite-host.ts";

/**
 * The newest whole backup of this foundation, read on the offsite itself; the VM may be gone.
 *
 * @throws UserError (attention) where there is none
 */
export async function newestCommit(host: OffsiteHost, password: string, owner: string): Promise<Commit> {
  const [newest] = await newestCommits(host, password, owner, 1);
  if (newest !== undefined) return newest.commit;
  throw new UserError(
    `${host.where}: no backup of this foundation on ${host.target.address}`,
    "npx foundation backup now",
    EXIT.attention,
  );
}

/**
 * The newest whole backups, newest first. What is none, or is another foundation's, is passed over: with a stolen
 * credential of the VM anybody could have put it there.
 */
export async function newestCommits(
  host: OffsiteHost,
  password: string,
  owner: string,
  limit: number,
): Promise<MarkedSet[]> {
  const found: MarkedSet[] = [];
  const markers = (await listSnapshots(host, password)).filter(({ tags }) => tags.includes("commit"));
  for (const { id } of markers.toReversed()) {
    if (found.length === limit) break;
    const commit = await readMarker(host, password, id);
    if (commit?.owner === owner) found.push({ id, commit });
  }
  return found;
}

async function readMarker(host: OffsiteHost, password: string, id: string): Promise<Commit | undefined> {
  try {
    const { stdout } = await resticOnOffsite(host, password, ["dump", "--no-lock", id, `/${COMMIT_FILE}`]);
    return parseCommit(id, stdout);
  } catch (error) {
    if (error instanceof UserError && error.exitCode === EXIT.interrupted) throw error;
    return undefined;
  }
}

/** `12 min`, `3 h`, `9 days`: how long ago something was. */
export function formatAge(seconds: number): string {
  if (seconds < 90) return `${String(Math.max(0, Math.round(seconds)))} s`;
  if (seconds < 90 * 60) return `${String(Math.round(seconds / 60))} min`;
  if (seconds < 48 * 3600) return `${String(Math.round(seconds / 3600))} h`;
  return `${String(Math.round(seconds / 86_400))} days`;
}
