import { LABEL } from "../label.ts";
import { NETWORK } from "../network.ts";

/** What the engine and kernel of this machine allow a VM container. */
export interface Capabilities {
  /** `--privileged` works; it does not where the engine itself lacks a capability */
  readonly privileged: boolean;
  readonly cgroupVersion: 1 | 2;
  /** which of /dev/net/tun, /dev/fuse and /dev/loop-control exist */
  readonly devices: readonly string[];
}

/** One VM: a container that runs systemd, sshd and, once installed, its own Docker. */
export interface Machine {
  /** `prod`, `offsite`, … */
  readonly name: string;
  readonly image: string;
  readonly address: string;
  /** directory on this machine that keeps downloaded Debian packages and their lists between VMs of this name */
  readonly packageCache: string;
}

export const containerOf = (machine: string): string => `foundation-sandbox-${machine}`;
export const volumeOf = (machine: string): string => `foundation-sandbox-${machine}-docker`;

/** Creates a VM's container; it is started later, when its keys are in it. */
export function createArgv(machine: Machine, capabilities: Capabilities): string[] {
  return [
    ...["docker", "create", "--name", containerOf(machine.name), "--hostname", machine.name, "--label", LABEL],
    ...["--network", NETWORK, "--ip", machine.address, "--restart=unless-stopped"],
    ...isolationFlags(capabilities),
    ...["--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec"],
    ...["--volume", `${volumeOf(machine.name)}:/var/lib/docker`],
    ...["--volume", `${machine.packageCache}/archives:/var/cache/apt/archives`],
    ...["--volume", `${machine.packageCache}/lists:/var/lib/apt/lists`],
    ...["--env", "container=docker", machine.image],
  ];
}

function isolationFlags({ privileged, cgroupVersion, devices }: Capabilities): string[] {
  const cgroups =
    cgroupVersion === 1 ? ["--cgroupns=host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"] : ["--cgroupns=private"];
  if (privileged) return ["--privileged", ...cgroups];
  // The same freedom spelled out, less the one capability that an engine inside a VM is often not given itself.
  const unconfined = ["seccomp", "apparmor", "systempaths"].flatMap((name) => ["--security-opt", `${name}=unconfined`]);
  const passed = devices.flatMap((device) => ["--device", device]);
  // Loop devices are made as they are needed, so it is their kind that is let in.
  const loops = devices.includes("/dev/loop-control") ? ["--device-cgroup-rule", "b 7:* rmw"] : [];
  return ["--cap-add=ALL", "--cap-drop=SYS_RESOURCE", ...unconfined, ...passed, ...loops, ...cgroups];
}
