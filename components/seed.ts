import * as pulumi from "@pulumi/pulumi";
import type { PulledImage } from "./images.ts";
import { isOurs, offsiteCa, type Repository } from "./repository.ts";
import { deliverFiles } from "./secret-files.ts";
import { script, type Vm } from "./vm.ts";

interface SeedArgs {
  readonly vm: Vm;
  readonly vmId: pulumi.Output<string>;
  /** `auto`, `fresh`, a snapshot id or an ISO time */
  readonly request: string;
  /** that of the backup: it has the clients of all stores */
  readonly image: PulledImage;
  /** plan.json */
  readonly plan: pulumi.Input<string>;
  readonly offsite: Repository;
  readonly resticPassword: string;
  readonly credentials: Readonly<
    Record<"postgres-superuser-password" | "s3-access-key" | "s3-secret-key", pulumi.Input<string>>
  >;
}

/** A restore may move hundreds of gigabytes over a slow line. */
const HOURS = 12;

/**
 * Stage 3: what the stores start with. On a bare VM that is the newest backup of this foundation, if there is one: so
 * a rebuild is a deployment like any other. Before Forgejo, Caddy and Vault's initialisation write anything.
 */
export class Seed extends pulumi.ComponentResource {
  static readonly stage = 3;

  constructor(name: string, args: SeedArgs, opts: pulumi.ComponentResourceOptions) {
    super("foundation:index:Seed", name, {}, opts);
    const { vm, vmId, image, offsite, credentials } = args;
    const files = deliverFiles(
      name,
      vm,
      {
        owner: "0:0",
        files: {
          "plan.json": args.plan,
          restic_password: args.resticPassword,
          offsite_password: offsite.password,
          ...offsiteCa(offsite),
          postgres_password: credentials["postgres-superuser-password"],
          s3_access_key: credentials["s3-access-key"],
          s3_secret_key: credentials["s3-secret-key"],
        },
      },
      { parent: this },
    );
    script(
      name,
      vm,
      {
        script: "seed",
        args: [vm.ownerId, image.reference, args.request],
        timeoutSeconds: HOURS * 3600,
        // Another VM under the same address has other volumes; a repository elsewhere is created and claimed here.
        triggers: [vmId, ...(isOurs(offsite) ? [] : [offsite.url])],
      },
      {
        parent: this,
        dependsOn: [image.resource, files.resource],
        customTimeouts: { create: `${String(HOURS + 1)}h`, update: `${String(HOURS + 1)}h` },
      },
    );
    this.registerOutputs({});
  }
}
