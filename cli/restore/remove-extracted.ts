import type { Shell } from "../shell.ts";
import { rootCommand, runOnVm } from "../ssh.ts";
import type { Stack } from "../stack.ts";

/** Removes what was taken out of a backup from the VM: it is elsewhere now, or was not wanted after all. */
export async function removeExtracted(shell: Shell, stack: Stack, directory: string): Promise<void> {
  const { host } = stack.config;
  const command = rootCommand(host, ["docker", "exec", "backup", "rm", "-rf", directory]);
  await runOnVm(shell.run, "restore", host, command, { timeoutSeconds: 600, evenIfInterrupted: true }).catch(() => {
    shell.notice(`warning: restore: ${directory} is still in the container backup on the VM`);
  });
}
