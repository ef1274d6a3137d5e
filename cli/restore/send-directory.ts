import { readFileSync } from "node:fs";
import { describe } from "../../backup/progress.ts";
import { EXIT, UserError } from "../../errors.ts";
import { quoteWord, sshArguments, type SshTarget } from "../../ssh-target.ts";
import { remoteFailure } from "../backup/remote-failure.ts";
import { lastLine, type Argv, type RunOptions } from "../exec.ts";
import type { Shell } from "../shell.ts";
import { connectionError, rootCommand, runOnVm, SSH_FAILED } from "../ssh.ts";
import type { Stack } from "../stack.ts";

const REPORT_MS = 2000;
const SIZE_SECONDS = 600;

/** A directory on another host, which has nothing to do with the foundation. */
export interface Place {
  readonly target: SshTarget;
  readonly directory: string;
}

/**
 * Whether files can go there: the host answers with the right key, the directory is empty or missing, and there is room.
 *
 * @throws UserError (unreachable, refused, host)
 */
export async function requirePlace(shell: Shell, place: Place, bytes = 0): Promise<void> {
  await command(shell, place, ["check", place.directory, String(bytes)]);
}

/**
 * Sends a directory of the job's container to another host, through this machine and onto no disk of it. It is there as a
 * whole or not at all; a copy that was cut short leaves nothing.
 *
 * @returns bytes that were sent
 * @throws UserError (unreachable, refused, host)
 */
export async function sendDirectory(shell: Shell, stack: Stack, directory: string, place: Place): Promise<number> {
  const { host } = stack.config;
  const inJob = (...argv: string[]) => rootCommand(host, ["docker", "exec", "backup", ...argv]);
  const measured = await runOnVm(shell.run, "restore", host, inJob("du", "-sb", directory), {
    timeoutSeconds: SIZE_SECONDS,
  });
  if (measured.exitCode !== EXIT.ok) throw remoteFailure("restore", measured);
  const total = parseInt(measured.stdout, 10);
  await requirePlace(shell, place, total);
  const from: Argv = ["ssh", ...sshArguments(host), inJob("tar", "-C", directory, "-cf", "-", ".")];
  const to: Argv = ["ssh", ...sshArguments(place.target), placeCommand(["receive", place.directory])];
  let isThere = false;
  try {
    const sent = progress(shell, place, total);
    const [read, written] = await shell.pipe(from, to, sent.add);
    // Whoever breaks off first is the cause: a target that refuses ends the source too.
    if (written.exitCode === SSH_FAILED) throw connectionError("restore", place.target, written.stderr);
    if (read.exitCode === SSH_FAILED) throw connectionError("restore", host, read.stderr);
    if (written.exitCode !== EXIT.ok) throw remoteFailure("restore", written);
    if (read.exitCode !== EXIT.ok) {
      const why = lastLine(read.stderr) ?? `exit code ${String(read.exitCode)}`;
      throw new UserError(`restore: cannot be read on the VM: ${why}`, "run the command again");
    }
    await command(shell, place, ["finish", place.directory]);
    isThere = true;
    return sent.bytes();
  } finally {
    const discard = ["discard", place.directory];
    if (!isThere) await command(shell, place, discard, { evenIfInterrupted: true }).catch(() => undefined);
  }
}

function progress(shell: Shell, { target }: Place, total: number) {
  const started = performance.now();
  let [bytes, said] = [0, started];
  return {
    bytes: () => bytes,
    add: (count: number): void => {
      bytes += count;
      const now = performance.now();
      if (now - said < REPORT_MS) return;
      said = now;
      shell.notice(`restore: to ${target.address}: ${describe(bytes, Math.max(total, bytes), (now - started) / 1000)}`);
    },
  };
}

async function command(shell: Shell, place: Place, argv: readonly string[], options: RunOptions = {}): Promise<void> {
  const finished = await runOnVm(shell.run, "restore", place.target, placeCommand(argv), {
    timeoutSeconds: SIZE_SECONDS,
    ...options,
  });
  if (finished.exitCode !== EXIT.ok) throw remoteFailure("restore", finished);
}

/** As the user who logs in, and never as root through sudo: nothing there is the foundation's. */
function placeCommand(argv: readonly string[]): string {
  const script = readFileSync(new URL("./receive.sh", import.meta.url), "utf8");
  return ["bash", "-c", script, "receive", ...argv].map(quoteWord).join(" ");
}
