import { COMMIT_FILE, parseCommit, type Commit } from "../../backup/commit.ts";
import { EXIT, UserError } from "../../errors.ts";
import { listSnapshots } from "../offsite/offsite.ts";
import { resticOnOffsite, type OffsiteHost } from "./offsite-host.ts";

/** Garbage can be put beside the good ones with a stolen credential of the VM, so the newest is not the only candidate. */
const CANDIDATES = 5;

/**
 * The newest whole backup of this foundation, read on the offsite itself; the VM may be gone.
 *
 * @throws UserError (attention) where there is none
 */
export async function newestCommit(host: OffsiteHost, password: string, owner: string): Promise<Commit> {
  const snapshots = (await listSnapshots(host, password)).filter(({ tags }) => tags.includes("commit"));
  const newestFirst = snapshots.toReversed();
  for (const { id } of newestFirst.slice(0, CANDIDATES)) {
    const marker = await readMarker(host, password, id);
    if (marker?.owner === owner) return marker;
  }
  throw new UserError(
    `${host.where}: no backup of this foundation on ${host.target.address}`,
    "npx foundation backup now",
    EXIT.attention,
  );
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
