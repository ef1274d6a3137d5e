import { EXIT, UserError } from "../errors.ts";
import type { Effects } from "./effects.ts";
import type { Restic } from "./restic.ts";

const STATS_SECONDS = 600;
/** More than this much of what is restored has to be free before. */
const ROOM = 1.2;

/**
 * Whether a whole set can be restored into a directory without filling the disk that the services live on.
 *
 * @param what is restored, the beginning of the message
 * @returns how much it is
 * @throws UserError (host)
 */
export async function requireRoom(
  { effects, restic }: { readonly effects: Pick<Effects, "freeBytes">; readonly restic: Restic },
  what: string,
  snapshot: string,
  directory: string,
): Promise<{ readonly bytes: number; readonly files: number }> {
  const args = ["stats", "--no-lock", "--json", "--mode", "restore-size", snapshot];
  const { stdout } = await restic.run(args, { timeoutSeconds: STATS_SECONDS });
  const { total_size: bytes = 0, total_file_count: files = 0 } = JSON.parse(stdout) as Record<string, number>;
  const free = await effects.freeBytes(directory);
  if (free >= bytes * ROOM) return { bytes, files };
  const [needed, there] = [Math.ceil((bytes * ROOM) / 2 ** 20), Math.floor(free / 2 ** 20)];
  throw new UserError(
    `${what}: no room: ${String(needed)} MiB needed, ${String(there)} MiB free`,
    "make room on the VM: df -h /var/lib/docker",
    EXIT.host,
  );
}
