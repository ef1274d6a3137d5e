import { Command } from "commander";
import { join } from "node:path";
import { existsSync } from "node:fs";
import { stackEnvironment } from "../deployment.ts";
import { ensureDocker } from "../docker-engine.ts";
import { sandboxFiles, STACK } from "../files.ts";
import { prepareMachines } from "../images.ts";
import { programFailure } from "../program-failure.ts";
import { requireRoot, type Rig } from "../rig.ts";
import { containerOf } from "../vm/machine.ts";
import { DEFAULT_VMS, ensureVms, listVms } from "../vms.ts";

/** Longest graceful stop of a service in a VM, and the VM's own shutdown after it. */
const STOP_SECONDS = 180;

/** `sandbox stop`: shuts VMs down; nothing is lost. */
export function stopCommand(rig: Rig): Command {
  return new Command("stop")
    .description("shut VMs down, all of them by default; data stays")
    .argument("[vms...]")
    .action(async (names: string[]) => {
      const vms = names.length > 0 ? names : await listVms(rig);
      if (vms.length === 0) return;
      const argv = ["docker", "stop", "--time", String(STOP_SECONDS), ...vms.map(containerOf)];
      await rig.progress.step(`vm ${vms.join(", ")}`, "shutting down", () => rig.exec(argv));
    });
}

/** `sandbox start`: boots VMs, and opens Vault again if the foundation runs on one of them. */
export function startCommand(rig: Rig): Command {
  return new Command("start")
    .description("boot VMs, all of them by default, and unseal Vault; a new name makes a bare VM")
    .argument("[vms...]")
    .action(async (names: string[]) => {
      requireRoot(rig);
      await ensureDocker(rig);
      const existing = await listVms(rig);
      const vms = names.length > 0 ? names : existing.length > 0 ? existing : DEFAULT_VMS;
      const targets = await ensureVms(rig, vms, await prepareMachines(rig));
      for (const [name, { user, address }] of targets) rig.print(`${name}: ${user}@${address}`);
      if (vms.includes("prod") && existsSync(join(sandboxFiles(rig.paths).keys, `${STACK}.shares.json`)))
        await unseal(rig);
    });
}

async function unseal(rig: Rig): Promise<void> {
  const { exec, paths, progress, node } = rig;
  const helper = join(paths.project, "unseal-helper", "main.ts");
  const argv = [node, helper, "unseal", "--stack", STACK, "--keys", sandboxFiles(paths).keys];
  await progress.step("vault", "unsealing", async () => {
    const result = await exec(argv, { environment: stackEnvironment(rig), mayFail: true });
    if (result.code !== 0) throw programFailure(result, "vault: cannot be unsealed", "npm run sandbox status");
  });
}
