import * as pulumi from "@pulumi/pulumi";
import { createHash } from "node:crypto";
import type { PulledImage } from "./images.ts";
import { jobContainers, SOCKET_DIRECTORY, type JobLimits } from "./job-containers.ts";
import { runnerConfig, storedJobImage } from "./runner-config.ts";
import { deliverFiles } from "./secret-files.ts";
import { service } from "./service.ts";
import { jobsDoor } from "./topology.ts";
import { script, type Vm } from "./vm.ts";

interface RunnerArgs {
  readonly vm: Vm;
  readonly image: PulledImage;
  /** where jobs have containers of their own, the image of those that name none; undefined: jobs run in the runner's */
  readonly jobImage: PulledImage | undefined;
  /** the runner's own, and those of a job */
  readonly limits: { readonly memoryMiB: number; readonly job: JobLimits };
  readonly sites: Readonly<Record<"home" | "git" | "vault" | "s3", string>>;
  readonly forge: { readonly admin: string; readonly organisation: string };
  /** the actions that the forge is to have, as `git fast-import` reads them */
  readonly actions: string;
  readonly caCertificate: pulumi.Input<string>;
  readonly credentials: Readonly<Record<"runner-secret" | "forgejo-admin-password", pulumi.Input<string>>>;
}

/**
 * The Actions runner. It has one network, and from there reaches only what everybody outside reaches. Jobs run in
 * rootless containers of a user of the VM that has nothing else, whose socket is all that the runner gets; or, without
 * a job image, in the runner's own container.
 */
export class Runner extends pulumi.ComponentResource {
  // After the web server, through which alone it reaches the forge.
  static readonly stage = 7;

  constructor(name: string, args: RunnerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:Runner", name, {}, opts);
    const parent = { parent: this };
    const { vm, limits, jobImage } = args;
    const secret = pulumi.output(args.credentials["runner-secret"]).apply(runnerSecret);
    const registered = registration(name, args, secret, parent);
    commonActions(name, args, parent);
    const isolation = jobImage ? [jobContainers(name, { ...args, job: limits.job, image: jobImage }, parent)] : [];
    const files = deliverFiles(name, vm, { owner: USER, files: runnerFiles(args, secret) }, parent);
    service(
      name,
      vm,
      { ...SERVICE, image: args.image, files, ...(jobImage ? besideJobs(limits) : withJobs(limits)) },
      { ...parent, dependsOn: [registered, ...isolation] },
    );
    this.registerOutputs({});
  }
}

/** A user of its own: what it may start is counted by user, and the socket of the jobs' containers is its group's. */
const USER = "10013:10013";

/** What is the same in every foundation. */
const SERVICE = {
  user: USER,
  filesAt: "/etc/foundation",
  volumes: {},
  networks: [{ network: "runner-caddy" }],
  command: ["/bin/forgejo-runner", "daemon", "--config", "/etc/foundation/config.yml"],
  healthCommand: ["pgrep", "-f", "forgejo-runner daemon"],
  // A job that runs gets shutdown_timeout to end.
  graceSeconds: 90,
  startSeconds: 60,
} as const;

const CERTIFICATE = { SSL_CERT_FILE: "/etc/foundation/ca.crt" };

interface Parent {
  readonly parent: pulumi.Resource;
}

/** The runner that only asks for containers: nothing of a job is in it but what the job's actions are read from. */
const besideJobs = ({ memoryMiB }: RunnerArgs["limits"]) => ({
  memoryMiB,
  tmpfs: { "/data": "mode=1777,size=128m", "/tmp": "mode=1777,size=64m" },
  hostDirectories: { [SOCKET_DIRECTORY]: SOCKET_DIRECTORY },
  environment: { ...CERTIFICATE, DOCKER_HOST: `unix://${SOCKET_DIRECTORY}/podman.sock` },
});

/** The runner that is the jobs' container: what they may use is added to what it uses. */
const withJobs = ({ memoryMiB, job }: RunnerArgs["limits"]) => ({
  // Its disk is memory, because Docker bounds no other: half of what there is.
  memoryMiB: memoryMiB + job.memoryMiB,
  cpus: job.cpus,
  processes: job.processes,
  tmpfs: { "/data": `exec,mode=1777,size=${String(job.memoryMiB / 2)}m`, "/tmp": "exec,mode=1777,size=256m" },
  environment: CERTIFICATE,
});

/** The forge knows the runner by its secret: it needs nobody to paste a token, also not after a rebuild. */
function registration(name: string, args: RunnerArgs, secret: pulumi.Output<string>, parent: Parent) {
  return script(
    `${name}-registration`,
    args.vm,
    {
      script: "forgejo-runner",
      // Whoever has a workflow run in the runner's own container has the runner: then only for those who deploy it.
      args: args.jobImage ? [] : [args.forge.organisation],
      stdin: pulumi.interpolate`${secret}\n`,
      timeoutSeconds: 60,
    },
    parent,
  );
}

/** What the runner reads, by name below /etc/foundation. */
function runnerFiles({ vm, jobImage, sites, caCertificate }: RunnerArgs, secret: pulumi.Output<string>) {
  const containers = jobImage && {
    image: storedJobImage(jobImage.reference),
    door: jobsDoor(vm.subnetPrefix),
    sites: Object.values(sites),
  };
  const urls = { forgeUrl: `https://${sites.git}`, vaultUrl: `https://${sites.vault}` };
  const config = secret.apply((value) => runnerConfig({ ...urls, uuid: runnerUuid(value), containers }));
  return { "ca.crt": caCertificate, "config.yml": config, token: secret };
}

/** The actions that workflows name without a host, in the forge itself: jobs need nobody else's. */
function commonActions(name: string, args: RunnerArgs, parent: Parent): void {
  const password = args.credentials["forgejo-admin-password"];
  script(
    `${name}-actions`,
    args.vm,
    {
      script: "forgejo-actions",
      args: [args.forge.admin],
      stdin: pulumi.interpolate`${password}\n${args.actions}`,
      timeoutSeconds: 120,
    },
    parent,
  );
}

/** 40 hex digits, the form of a registration secret, out of a random password. */
function runnerSecret(password: string): string {
  return createHash("sha256").update(password).digest("hex").slice(0, 40);
}

/** The forge's id of a runner: the first 16 characters of its secret, as ASCII in the form of a UUID. */
export function runnerUuid(secret: string): string {
  const hex = Buffer.from(secret.slice(0, 16)).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
