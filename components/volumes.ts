import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { VolumeName } from "./topology.ts";
import { ownerLabel, type Vm } from "./vm.ts";

/** Data volumes. They exist before any service does, because a restore fills them first. */
export class Volumes<Name extends VolumeName> extends pulumi.ComponentResource {
  static readonly stage = 1;
  readonly created: Readonly<Record<Name, docker.Volume>>;

  constructor(name: string, vm: Vm, names: readonly Name[], opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:Volumes", name, {}, opts);
    const create = (volume: Name): [Name, docker.Volume] => [
      volume,
      new docker.Volume(
        volume,
        { name: volume, labels: [ownerLabel(vm)] },
        // protect, retainOnDelete: deleting it deletes the only copy of what a service knows.
        { parent: this, protect: true, retainOnDelete: true, ignoreChanges: ["driver", "driverOpts", "labels"] },
      ),
    ];
    this.created = Object.fromEntries(names.map(create)) as Record<Name, docker.Volume>;
    this.registerOutputs({});
  }
}
