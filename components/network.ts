import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { gateway, NETWORKS, subnet, type NetworkName, type NetworkShape } from "./topology.ts";
import { ownerLabel, type Vm } from "./vm.ts";

/** All Docker networks. */
export class Networks extends pulumi.ComponentResource {
  static readonly stage = 1;

  /** @param closed nothing gets out but what reads the backups, and from outside nothing gets in: for a drill */
  constructor(name: string, vm: Vm, closed: boolean, opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:Networks", name, {}, opts);
    for (const network of Object.keys(NETWORKS) as NetworkName[]) {
      const { octet } = NETWORKS[network];
      const kind = closed ? closedKind(network) : NETWORKS[network].kind;
      new docker.Network(
        network,
        {
          name: network,
          driver: "bridge",
          internal: kind === "internal",
          ipamConfigs: [{ subnet: subnet(vm.subnetPrefix, network), gateway: gateway(vm.subnetPrefix, network) }],
          options: {
            // A readable name, which the firewall's rules match by its prefix.
            "com.docker.network.bridge.name": `fnd-${String(octet)}`,
            ...(kind === "isolated" ? { "com.docker.network.bridge.enable_ip_masquerade": "false" } : {}),
          },
          labels: [ownerLabel(vm)],
        },
        // protect: replacing a network takes down every container on it.
        { parent: this, protect: true },
      );
    }
    this.registerOutputs({});
  }
}

/** Docker drops everything between an internal network and the world, whatever a restored service tries. */
function closedKind(name: NetworkName): NetworkShape["kind"] {
  const { kind } = NETWORKS[name];
  return kind === "open" && name !== "backup-public" ? "internal" : kind;
}
