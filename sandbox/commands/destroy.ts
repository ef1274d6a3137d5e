import { Command } from "commander";
import { rmSync } from "node:fs";
import { stopOwnDaemon } from "../docker-engine.ts";
import { takeLock } from "../engine/lock.ts";
import type { Exec } from "../exec.ts";
import { sandboxFiles } from "../files.ts";
import { withdrawCertificate, withdrawNames } from "../host-names.ts";
import { requireRoot, type Rig } from "../rig.ts";
import { LABEL } from "../label.ts";
import { stopAgent } from "../vm/ssh-agent.ts";

/** `sandbox destroy`: everything away but the caches. */
export function destroyCommand(rig: Rig): Command {
  return new Command("destroy")
    .description("remove the sandbox: VMs with all their data, network, keys, names; the caches stay")
    .option("--caches", "remove what was built and downloaded, too: the next `up` starts from nothing")
    .action((options: { caches?: true }) => destroy(rig, options.caches ?? false));
}

async function destroy(rig: Rig, withCaches: boolean): Promise<void> {
  requireRoot(rig);
  const { exec, paths, progress, print } = rig;
  const release = await takeLock(sandboxFiles(paths).lock);
  try {
    if ((await exec(["docker", "version"], { mayFail: true })).code === 0) {
      await progress.step("docker", "removing VMs, registry, volumes and network", () => removeAll(exec));
      if (withCaches) await removeImages(exec);
      await stopOwnDaemon(rig);
    }
    withdrawNames();
    withdrawCertificate();
    await stopAgent(rig);
  } finally {
    release();
  }
  rmSync(paths.sandbox, { recursive: true, force: true });
  if (withCaches) rmSync(paths.cache, { recursive: true, force: true });
  const kept = `What was built is kept in ${paths.cache}, so that the next one is quick.`;
  print(`The sandbox is gone. ${withCaches ? "So is everything that was built." : kept}`);
}

/** Only what carries the rig's label, in the order in which Docker lets go of it. */
async function removeAll(exec: Exec): Promise<void> {
  for (const [list, remove] of [
    [
      ["ps", "--all"],
      ["rm", "--force", "--volumes"],
    ],
    [
      ["volume", "ls"],
      ["volume", "rm"],
    ],
    [
      ["network", "ls"],
      ["network", "rm"],
    ],
  ] as const) {
    const { stdout } = await exec(["docker", ...list, "--quiet", "--filter", `label=${LABEL}`]);
    const found = stdout.trim().split("\n").filter(Boolean);
    if (found.length > 0) await exec(["docker", ...remove, ...found]);
  }
}

async function removeImages(exec: Exec): Promise<void> {
  const { stdout } = await exec(["docker", "images", "--quiet", "--filter", "reference=foundation-sandbox/*"]);
  const found = [...new Set(stdout.trim().split("\n").filter(Boolean))];
  if (found.length > 0) await exec(["docker", "rmi", "--force", ...found]);
}
