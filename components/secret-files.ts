import * as pulumi from "@pulumi/pulumi";
import { createHmac } from "node:crypto";
import { script, type Vm } from "./vm.ts";

/** Files of one service on the VM, to be bind-mounted read-only. */
export interface DeliveredFiles {
  /** directory on the VM */
  readonly directory: string;
  /** changes when any content does; as a container label it makes the container follow its files */
  readonly fingerprint: pulumi.Output<string>;
  readonly resource: pulumi.Resource;
}

interface SecretFilesArgs {
  /** numeric `uid:gid` that the service's container runs as */
  readonly owner: string;
  /** content by file name */
  readonly files: Readonly<Record<string, pulumi.Input<string>>>;
}

/**
 * Delivers a service's configuration and secrets as files: mode 0400, owned by the container's user, in
 * /etc/foundation/NAME. Files instead of environment, because `docker inspect` shows environment; on the disk
 * instead of tmpfs, because the services start after a reboot without an operator and without Vault.
 */
export function deliverFiles(
  name: string,
  vm: Vm,
  args: SecretFilesArgs,
  opts: pulumi.CustomResourceOptions,
): DeliveredFiles {
  const contents = pulumi.secret(pulumi.output(args.files));
  const resource = script(
    `${name}-files`,
    vm,
    { script: "install-files", args: [name, args.owner], stdin: contents.apply(bundle), timeoutSeconds: 60 },
    opts,
  );
  return {
    directory: `/etc/foundation/${name}`,
    // unsecret: a keyed hash tells nothing about the content, and a secret label would hide the change in a preview.
    fingerprint: pulumi.unsecret(contents.apply((files) => fingerprint(vm.fingerprintKey, files))),
    resource,
  };
}

/** What install-files.sh reads: `NAME BASE64`, one file a line, sorted so that the order of keys changes nothing. */
export function bundle(files: Readonly<Record<string, string>>): string {
  const lines = Object.entries(files).map(([name, content]) => `${name} ${Buffer.from(content).toString("base64")}\n`);
  return lines.sort().join("");
}

/** Keyed fingerprint of a set of files, 16 hex digits. */
export function fingerprint(key: Buffer, files: Readonly<Record<string, string>>): string {
  return createHmac("sha256", key).update(bundle(files)).digest("hex").slice(0, 16);
}
