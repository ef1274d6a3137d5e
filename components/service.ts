import * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import type { PulledImage } from "./images.ts";
import type { NetworkName } from "./topology.ts";
import type { DeliveredFiles } from "./secret-files.ts";
import { ownerLabel, type Vm } from "./vm.ts";

/** One network that a service is attached to, and the names it has there beside its own. */
export interface Attachment {
  readonly network: NetworkName;
  readonly aliases?: readonly string[];
  /** a fixed one, where somebody outside Docker's names has to find it */
  readonly address?: string;
}

/** A port published on the VM. Without `ip` it is open to the world. */
export interface PublishedPort {
  readonly internal: number;
  readonly external: number;
  readonly protocol?: "tcp" | "udp";
  readonly ip?: "127.0.0.1";
}

/** What differs between the services; everything they share is decided in {@link service}. */
export interface ServiceArgs {
  readonly image: PulledImage;
  /** numeric `uid:gid` */
  readonly user: string;
  readonly memoryMiB: number;
  /** files mounted read-only at `filesAt` */
  readonly files: DeliveredFiles;
  readonly filesAt: string;
  /** volumes that the service writes to, by mount point */
  readonly volumes: Readonly<Record<string, docker.Volume>>;
  /** volumes of other services, mounted read-only, by mount point */
  readonly readOnlyVolumes?: Readonly<Record<string, docker.Volume>>;
  /** further host directories, mounted read-only, by mount point */
  readonly hostDirectories?: Readonly<Record<string, string>>;
  /** tmpfs options by mount point; the root file system is read-only, so every other writable path is named here */
  readonly tmpfs: Readonly<Record<string, string>>;
  readonly networks: readonly Attachment[];
  readonly ports?: readonly PublishedPort[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  /** `CAP_…`, sorted; all others are dropped */
  readonly capabilities?: readonly string[];
  /** run inside the container; success means that the service can be used */
  readonly healthCommand: readonly string[];
  /** time between the stop signal and SIGKILL; above the service's own shutdown time */
  readonly graceSeconds: number;
  /** bound for the first start, migrations included */
  readonly startSeconds: number;
  readonly stopSignal?: string;
  readonly sharedMemoryMiB?: number;
  /** how many processors' time it gets at most */
  readonly cpus?: number;
  /** bound of processes and threads; counted by user, so its user must be no other container's */
  readonly processes?: number;
  /** true where two containers of the same name must not be taken for one: Docker then gives each a name of its own */
  readonly randomHostname?: boolean;
  /** false where the image brings an init of its own */
  readonly init?: boolean;
}

/**
 * The only place that creates containers: the hardening, the limits and the options that make the Docker
 * provider converge are the same for every service and cannot be forgotten.
 */
export function service(
  name: string,
  vm: Vm,
  args: ServiceArgs,
  opts: { parent: pulumi.Resource; dependsOn?: pulumi.Resource[] },
): docker.Container {
  return new docker.Container(
    name,
    {
      name,
      image: args.image.reference,
      hostname: args.randomHostname === true ? undefined : name,
      restart: "unless-stopped",
      mustRun: true,
      wait: true,
      waitTimeout: args.startSeconds,
      // Unset, the provider kills at once instead of stopping: a database would lose its clean shutdown at every replacement.
      destroyGraceSeconds: args.graceSeconds,
      stopTimeout: args.graceSeconds,
      stopSignal: args.stopSignal,
      user: args.user,
      readOnly: true,
      capabilities: { drops: ["ALL"], adds: [...(args.capabilities ?? [])] },
      securityOpts: ["no-new-privileges:true"],
      init: args.init ?? true,
      ...limits(args),
      logDriver: "json-file",
      logOpts: { "max-file": "3", "max-size": "10m" },
      entrypoints: args.entrypoint && [...args.entrypoint],
      command: args.command && [...args.command],
      envs: Object.entries(args.environment ?? {}).map(([key, value]) => `${key}=${value}`),
      mounts: mounts(args),
      tmpfs: { ...args.tmpfs },
      networksAdvanced: args.networks.map(({ network, aliases, address }) => ({
        name: network,
        aliases: [...(aliases ?? [])],
        ...(address === undefined ? {} : { ipv4Address: address }),
      })),
      ports: args.ports?.map((port) => ({ protocol: "tcp", ip: "0.0.0.0", ...port })),
      labels: [{ label: "foundation.files", value: args.files.fingerprint }, ownerLabel(vm)],
      healthcheck: healthcheck(args),
    },
    {
      ...opts,
      dependsOn: [args.image.resource, args.files.resource, ...(opts.dependsOn ?? [])],
      // Some fields are otherwise recorded as changed while the container keeps its old value, and a container
      // that never became healthy would count as good at the next `up`.
      replaceOnChanges: ["*"],
      // The name and the ports are taken until the old container is gone.
      deleteBeforeReplace: true,
    },
  );
}

function limits({ memoryMiB, sharedMemoryMiB, cpus, processes }: ServiceArgs) {
  return {
    memory: memoryMiB,
    // Equal to memory, so nothing of a service is ever swapped to disk; unset, the daemon doubles it and every `up` shows a difference.
    memorySwap: memoryMiB,
    shmSize: sharedMemoryMiB,
    cpus: cpus?.toFixed(1),
    ulimits: processes === undefined ? undefined : [{ name: "nproc", soft: processes, hard: processes }],
  };
}

function healthcheck({ healthCommand, startSeconds }: ServiceArgs): docker.types.input.ContainerHealthcheck {
  return {
    tests: ["CMD", ...healthCommand],
    interval: "10s",
    timeout: "5s",
    retries: 3,
    startPeriod: duration(startSeconds),
    // Polls each second until the first success, so that `wait` ends when the service is ready and not an interval later.
    startInterval: "1s",
  };
}

function mounts(args: ServiceArgs): docker.types.input.ContainerMount[] {
  const bind = (target: string, source: string): docker.types.input.ContainerMount => ({
    type: "bind",
    source,
    target,
    readOnly: true,
  });
  return [
    bind(args.filesAt, args.files.directory),
    ...Object.entries(args.hostDirectories ?? {}).map(([target, source]) => bind(target, source)),
    ...volumeMounts(args.volumes, false),
    ...volumeMounts(args.readOnlyVolumes ?? {}, true),
  ];
}

function volumeMounts(
  volumes: Readonly<Record<string, docker.Volume>>,
  readOnly: boolean,
): docker.types.input.ContainerMount[] {
  return Object.entries(volumes).map(([target, { name: source }]) => ({ type: "volume", source, target, readOnly }));
}

/** Go's canonical form (`2m0s`), which is how the daemon reports it; `120s` would differ at every `up`. */
export function duration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  return minutes > 0 ? `${String(minutes)}m${String(seconds % 60)}s` : `${String(seconds)}s`;
}
