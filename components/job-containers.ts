import * as pulumi from "@pulumi/pulumi";
import type { PulledImage } from "./images.ts";
import { storedJobImage } from "./runner-config.ts";
import { jobsDoor } from "./topology.ts";
import { script, type Vm } from "./vm.ts";

/** What a job may use of the VM. */
export interface JobLimits {
  readonly memoryMiB: number;
  readonly cpus: number;
  readonly processes: number;
  readonly diskMiB: number;
}

interface JobContainersArgs {
  readonly vm: Vm;
  readonly job: JobLimits;
  /** of jobs that name none */
  readonly image: PulledImage;
  readonly sites: Readonly<Record<string, string>>;
  readonly caCertificate: pulumi.Input<string>;
}

/** Where the socket is that the containers of jobs are asked for; the directory is the script's, runner-rootless.sh. */
export const SOCKET_DIRECTORY = "/run/foundation-runner";

/** Rootless containers for jobs: user, disk, limits, firewall, socket, and the image of jobs in their store. */
export function jobContainers(name: string, args: JobContainersArgs, { parent }: { readonly parent: pulumi.Resource }) {
  const { vm, sites, image, job } = args;
  const limits = [job.memoryMiB, Math.round(job.cpus * 100), job.processes, job.diskMiB].map(String);
  const stored = storedJobImage(image.reference);
  return script(
    `${name}-isolation`,
    vm,
    {
      script: "runner-rootless",
      args: [...limits, image.reference, stored, jobsDoor(vm.subnetPrefix), ...Object.values(sites)],
      // Public; but no other input of a script is, and one that is forgotten to be secret is not to stand out less.
      stdin: pulumi.secret(args.caCertificate),
      timeoutSeconds: 900,
    },
    { parent, dependsOn: [image.resource], customTimeouts: { create: "20m", update: "20m" } },
  );
}
