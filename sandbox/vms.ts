import { exists } from "./docker.ts";
import type { MachineBasis } from "./images.ts";
import type { Rig } from "./rig.ts";
import type { SshTarget } from "../ssh-target.ts";
import { detectCapabilities } from "./vm/capabilities.ts";
import { ensureVm, type VmSettings } from "./vm/lifecycle.ts";
import { containerOf } from "./vm/machine.ts";
import { LABEL } from "./label.ts";
import { ensureAgent } from "./vm/ssh-agent.ts";

/** The VMs that `up` starts; more can be had by name. */
export const DEFAULT_VMS = ["prod", "offsite"];

/** Starts VMs by name, creating those that do not exist. Returns how to reach each. */
export async function ensureVms(
  rig: Rig,
  names: readonly string[],
  basis: MachineBasis,
): Promise<Map<string, SshTarget>> {
  const { vmImage: image, prefix } = basis;
  const present = await Promise.all(names.map((name) => exists(rig.exec, "container", containerOf(name))));
  // Trying out takes a container start, so it is left out where nothing is to be created.
  const capabilities = present.every(Boolean)
    ? { privileged: false, cgroupVersion: 1 as const, devices: [] }
    : await detectCapabilities(rig.exec, image);
  const settings: VmSettings = { image, prefix, capabilities, agent: await ensureAgent(rig) };
  const targets = await Promise.all(names.map(async (name) => [name, await ensureVm(rig, name, settings)] as const));
  return new Map(targets);
}

/** Names of the VMs that exist, running or not. */
export async function listVms({ exec }: Rig): Promise<string[]> {
  const argv = ["docker", "ps", "--all", "--filter", `label=${LABEL}`, "--format", "{{.Names}}"];
  const prefix = containerOf("");
  const names = (await exec(argv)).stdout.trim().split("\n");
  return names
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .sort();
}
