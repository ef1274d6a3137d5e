import { readFileSync } from "node:fs";
import { EXIT } from "../../errors.ts";
import { sshArguments, type SshTarget } from "../../ssh-target.ts";
import { remoteFailure } from "../backup/remote-failure.ts";
import { interruption } from "../http.ts";
import type { Shell } from "../shell.ts";
import { connectionError, rootCommand, SSH_FAILED } from "../ssh.ts";

/** A backup may take that long before a deployment gives up; as long as a backup waits for a deployment. */
const WAIT_SECONDS = 1800;

/** The lock of the backup job, held for a deployment. */
export interface Hold {
  /** Lets backups go on. @returns false where the lock was lost before, so that one may have run meanwhile */
  release(): Promise<boolean>;
}

/**
 * Takes the lock of the backup job on the VM, so that no backup sees half a deployment. A backup that runs is waited for.
 * The VM gives the lock back by itself when this process ends, or is not heard of for a minute.
 *
 * @returns undefined where there is no backup job yet
 * @throws UserError (refused) where a backup does not end; (unreachable)
 */
export async function holdLock(shell: Shell, target: SshTarget): Promise<Hold | undefined> {
  const script = readFileSync(new URL("./hold-lock.sh", import.meta.url), "utf8");
  const command = rootCommand(target, ["bash", "-c", script, "hold-lock", String(WAIT_SECONDS)]);
  const companion = shell.accompany("ssh", [...sshArguments(target), command], (line) => {
    if (line.startsWith("a backup runs")) shell.notice(`up: ${line}`);
  });
  const giveUp = (): void => companion.release();
  shell.interrupted.addEventListener("abort", giveUp, { once: true });
  const answer = await companion.firstLine;
  shell.interrupted.removeEventListener("abort", giveUp);
  if (shell.interrupted.aborted) {
    companion.release();
    throw interruption();
  }
  if (answer !== "held") {
    const finished = await companion.ended;
    if (finished.exitCode === EXIT.ok) return undefined;
    if (finished.exitCode === SSH_FAILED) throw connectionError("up", target, finished.stderr);
    throw remoteFailure("up", finished);
  }
  let isLost = false;
  void companion.ended.then(() => (isLost = true));
  return {
    release: async () => {
      const wasLost = isLost;
      companion.release();
      await companion.ended;
      return !wasLost;
    },
  };
}
