import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT, UserError } from "../../errors.ts";
import { sshArguments, type SshTarget } from "../../ssh-target.ts";
import { exists, inspectContainer } from "../docker.ts";
import { LABEL } from "../label.ts";
import { addressOf } from "../network.ts";
import type { Rig } from "../rig.ts";
import { containerOf, createArgv, volumeOf, type Capabilities } from "./machine.ts";
import { ensureKey, sshTarget } from "./ssh-keys.ts";

/** What all VMs of one run share. */
export interface VmSettings {
  readonly image: string;
  /** first three octets of the sandbox's network */
  readonly prefix: string;
  readonly capabilities: Capabilities;
  /** socket of the agent that holds the operator's key */
  readonly agent: string;
}

/** Makes sure that a VM exists, runs and lets the operator in. One that exists keeps its image and its data. */
export async function ensureVm(rig: Rig, name: string, settings: VmSettings): Promise<SshTarget> {
  const container = containerOf(name);
  const target = await sshTarget(rig, name, addressOf(name, settings.prefix));
  const running = await inspectContainer(rig.exec, container, "{{.State.Running}}");
  if (running === "true") {
    await waitForSsh(rig, target, settings.agent);
    return target;
  }
  return rig.progress.step(`vm ${name}`, running === undefined ? "creating" : "booting", async () => {
    if (running === undefined) await create(rig, name, settings, target);
    await installKeys(rig, name);
    await rig.exec(["docker", "start", container]);
    await waitForSsh(rig, target, settings.agent);
    return target;
  });
}

async function create({ exec, paths }: Rig, name: string, settings: VmSettings, target: SshTarget): Promise<void> {
  const packageCache = join(paths.cache, "vm-packages", name);
  for (const kind of ["archives", "lists"]) mkdirSync(join(packageCache, kind), { recursive: true });
  if (!(await exists(exec, "volume", volumeOf(name)))) {
    await exec(["docker", "volume", "create", "--label", LABEL, volumeOf(name)]);
  }
  const { image, capabilities } = settings;
  await exec(createArgv({ name, image, address: target.address, packageCache }, capabilities));
}

/** Copied before the VM starts, so that sshd never runs with other keys than the pinned one. */
async function installKeys(rig: Rig, name: string): Promise<void> {
  const host = await ensureKey(rig, `host-${name}`);
  const operator = await ensureKey(rig, "operator");
  const authorized = join(rig.paths.sandbox, "ssh", "authorized_keys");
  writeFileSync(authorized, `${operator.publicKey}\n`, { mode: 0o644 });
  for (const [from, to] of [
    [host.file, "ssh_host_ed25519_key"],
    [`${host.file}.pub`, "ssh_host_ed25519_key.pub"],
    [authorized, "authorized_keys"],
  ] as const) {
    await rig.exec(["docker", "cp", from, `${containerOf(name)}:/etc/ssh/${to}`]);
  }
}

async function waitForSsh({ exec }: Rig, target: SshTarget, agent: string): Promise<void> {
  const argv = ["ssh", ...sshArguments(target), "true"];
  let last = "";
  for (let attempt = 0; attempt < 60; attempt++) {
    const result = await exec(argv, { environment: { SSH_AUTH_SOCK: agent }, mayFail: true, timeoutSeconds: 10 });
    if (result.code === 0) return;
    last = result.stderr.trim();
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new UserError(
    `vm ${target.address}: no SSH after 30 s: ${last}`,
    "npm run sandbox destroy, then again",
    EXIT.unreachable,
  );
}
