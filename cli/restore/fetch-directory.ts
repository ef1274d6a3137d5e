import { rm } from "node:fs/promises";
import { EXIT } from "../../errors.ts";
import { runOrFail } from "../exec.ts";
import type { Shell } from "../shell.ts";
import { rootCommand, runOnVm } from "../ssh.ts";
import type { Stack } from "../stack.ts";
import { remoteFailure } from "../backup/remote-failure.ts";

const LIMIT_SECONDS = 12 * 3600;

/**
 * Brings a directory of the job's container to this machine.
 *
 * @param into an empty directory
 */
export async function fetchDirectory(shell: Shell, stack: Stack, directory: string, into: string): Promise<void> {
  const { host } = stack.config;
  const archive = `${into}.tar`;
  const argv = ["docker", "exec", "backup", "tar", "-C", directory, "-cf", "-", "."];
  try {
    const options = { outputFile: archive, timeoutSeconds: LIMIT_SECONDS };
    const finished = await runOnVm(shell.run, "restore", host, rootCommand(host, argv), options);
    if (finished.exitCode !== EXIT.ok) throw remoteFailure("restore", finished);
    await runOrFail(shell.run, "restore", "tar", ["-xf", archive, "--no-same-owner", "-C", into], {
      timeoutSeconds: LIMIT_SECONDS,
    });
  } finally {
    await rm(archive, { force: true });
  }
}
