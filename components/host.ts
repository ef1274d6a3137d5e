import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { CONTAINERS, NETWORKS, VOLUMES } from "./topology.ts";
import { asRoot, digest, oneAtATime, remote, SCRIPT_DIRECTORY, SCRIPTS, type Vm } from "./vm.ts";

interface HostArgs {
  readonly vm: Vm;
  readonly forgeSshPort: number;
  readonly minimum: { readonly memoryMiB: number; readonly diskGiB: number };
}

/** The bare VM made ready: checked first, then Docker, sshd limits, firewall, directories and scripts. */
export class Host extends pulumi.ComponentResource {
  static readonly stage = 0;
  /** everything that could be known beforehand is in order; nothing has been changed yet */
  readonly checked: pulumi.Resource;
  /** 32 hex digits that the VM was given when it was set up: tells it from its predecessor and its successor */
  readonly vmId: pulumi.Output<string>;

  constructor(name: string, args: HostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:Host", name, {}, opts);
    const { vm } = args;
    const request = JSON.stringify({
      target: vm.target,
      ownerId: vm.ownerId,
      ports: [80, 443, args.forgeSshPort],
      containers: CONTAINERS,
      networks: Object.keys(NETWORKS),
      volumes: VOLUMES,
      minimumDiskGib: args.minimum.diskGiB,
      minimumMemoryMib: args.minimum.memoryMiB,
    });
    // Runs on the operator's machine, because only there the VM's clock can be compared with a second one.
    const preflight = new command.local.Command(
      "preflight",
      {
        create: "node cli/main.ts preflight",
        environment: { FOUNDATION_PREFLIGHT: request },
        triggers: [digest(request)],
        logging: "none",
        addPreviousOutputInEnv: false,
      },
      { parent: this },
    );
    const script = ["bash", "-s", "--", vm.target.user, String(args.forgeSshPort)];
    const setup = remote(
      "host-setup",
      vm,
      {
        create: asRoot(vm, 900, [...oneAtATime("host"), ...script]),
        stdin: hostInstaller(vm.scripts),
      },
      { parent: this, dependsOn: [preflight], customTimeouts: { create: "20m", update: "20m" } },
    );
    const vmId = remote(
      "vm-id",
      vm,
      { create: asRoot(vm, 30, ["cat", "/etc/foundation/vm-id"]) },
      { parent: this, dependsOn: [setup] },
    );
    this.checked = preflight;
    // unsecret: an id like a serial number; what is derived from it is secret by the key.
    this.vmId = pulumi.unsecret(vmId.stdout).apply((text) => text.trim());
    this.registerOutputs({});
  }
}

/**
 * The text that prepares the VM: writes the other scripts to {@link SCRIPT_DIRECTORY}, then runs host.sh.
 * One text for everything, so that a changed script reruns the (idempotent) setup and nothing else has to be copied.
 */
export function hostInstaller(scripts: Vm["scripts"]): string {
  const installed = SCRIPTS.filter((name) => name !== "host" && !name.startsWith("offsite")).map((name) => {
    const path = `${SCRIPT_DIRECTORY}/${name}`;
    // Renamed into place: a script that is running meanwhile keeps its old text.
    return `cat >${path}.new <<'END_OF_SCRIPT'\n${scripts[name]}END_OF_SCRIPT\nchmod 0755 ${path}.new\nmv -f ${path}.new ${path}\n`;
  });
  return `${scripts.host}\ninstall -d -m 0755 ${SCRIPT_DIRECTORY}\n${installed.join("")}main "$@" </dev/null\n`;
}
