import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { PulledImage } from "./images.ts";
import { digest, type Vm } from "./vm.ts";

interface BackupImageArgs {
  readonly vm: Vm;
  readonly vmId: pulumi.Output<string>;
  /** what it is put together from; the database's tools are those of the server itself */
  readonly images: Readonly<Record<"postgres" | "restic" | "node", PulledImage>>;
  /** hash over the job's program */
  readonly sources: string;
}

/** The backup job's image, built on the VM from images that are there: no registry has it. */
export class BackupImage extends pulumi.ComponentResource {
  static readonly stage = 1;
  readonly built: PulledImage;

  constructor(name: string, args: BackupImageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:BackupImage", name, {}, opts);
    const { vm, vmId, images } = args;
    const { postgres, restic, node } = images;
    const base = { postgres: postgres.reference, restic: restic.reference, node: node.reference };
    const reference = `foundation/backup:${digest(JSON.stringify({ base, sources: args.sources }))}`;
    const request = JSON.stringify({ target: vm.target, ownerId: vm.ownerId, reference, base });
    const build = new command.local.Command(
      name,
      {
        create: "node cli/main.ts backup-image",
        environment: { FOUNDATION_BACKUP_IMAGE: request },
        // Another VM under the same address does not have it.
        triggers: [digest(request), vmId],
        logging: "none",
        addPreviousOutputInEnv: false,
      },
      { parent: this, dependsOn: [postgres.resource, restic.resource, node.resource] },
    );
    this.built = { reference, resource: build };
    this.registerOutputs({});
  }
}
