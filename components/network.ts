import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { type CONTAINERS, gateway, NETWORKS, subnet, type NetworkName, type NetworkShape } from "./topology.ts";
import { ownerLabel, type Vm } from "./vm.ts";

/** All Docker networks. */
export class Networks extends pulumi.ComponentResource {
  static readonly stage = 1;
  readonly #created: readonly (readonly [NetworkName, docker.Network])[];

  /** @param closed nothing gets out but what reads the backups, and from outside nothing gets in: for a drill */
  constructor(name: string, vm: Vm, closed: boolean, opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:Networks", name, {}, opts);
    this.#created = (Object.keys(NETWORKS) as NetworkName[]).map((network) => {
      const { octet } = NETWORKS[network];
      const kind = closed ? closedKind(network) : NETWORKS[network].kind;
      const created = new docker.Network(
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
      return [network, created];
    });
    this.registerOutputs({});
  }

  /**
   * The networks that a service joins, which are named after their members. Docker creates one after the other, so
   * nothing waits for those of others.
   */
  of(service: (typeof CONTAINERS)[number]): docker.Network[] {
    return this.#created.flatMap(([name, network]) => (name.split("-").includes(service) ? [network] : []));
  }
}

/** Docker drops everything between an internal network and the world, whatever a restored service tries. */
function closedKind(name: NetworkName): NetworkShape["kind"] {
  const { kind } = NETWORKS[name];
  return kind === "open" && name !== "backup-public" ? "internal" : kind;
}
