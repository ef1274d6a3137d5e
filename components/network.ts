import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { gateway, NETWORKS, subnet, type NetworkName } from "./topology.ts";
import { ownerLabel, type Vm } from "./vm.ts";

/** All Docker networks. */
export class Networks extends pulumi.ComponentResource {
  static readonly stage = 1;

  constructor(name: string, vm: Vm, opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:Networks", name, {}, opts);
    for (const network of Object.keys(NETWORKS) as NetworkName[]) {
      const { octet, kind } = NETWORKS[network];
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
