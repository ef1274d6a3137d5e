import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

/** An image that is present on the VM once `resource` is there. */
export interface PulledImage {
  /** literal `repo:tag@sha256:…`; a preview shows it as it is */
  readonly reference: string;
  readonly resource: pulumi.Resource;
}

/** All images, pulled side by side before the first container needs one. */
export class Images<Name extends string> extends pulumi.ComponentResource {
  static readonly stage = 1;
  readonly pulled: Readonly<Record<Name, PulledImage>>;

  /** @param references full image references by service; only these are pulled */
  constructor(name: string, references: Readonly<Record<Name, string>>, opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:Images", name, {}, opts);
    const pull = ([service, reference]: [string, string]): [string, PulledImage] => [
      service,
      {
        reference,
        // keepLocally: the previous image stays on the VM, so that a rollback needs no registry.
        resource: new docker.RemoteImage(
          `${service}-image`,
          { name: reference, keepLocally: true },
          { parent: this, customTimeouts: { create: "20m" } },
        ),
      },
    ];
    this.pulled = Object.fromEntries(Object.entries<string>(references).map(pull)) as Record<Name, PulledImage>;
    this.registerOutputs({});
  }
}
