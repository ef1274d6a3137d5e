import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { BackupSource } from "./backup-source.ts";
import type { PulledImage } from "./images.ts";
import { deliverFiles } from "./secret-files.ts";
import { service } from "./service.ts";
import { S3_REGION } from "./topology.ts";
import { script, type Vm } from "./vm.ts";

/** A user of the S3 server who has buckets of its own. */
export interface ConsumerBuckets {
  readonly user: string;
  readonly secretKey: pulumi.Input<string>;
  readonly buckets: readonly { readonly name: string; readonly quotaBytes?: number }[];
}

interface RustfsArgs {
  readonly vm: Vm;
  readonly image: PulledImage;
  readonly volume: docker.Volume;
  /** whether a backup shares a network with it */
  readonly withBackup: boolean;
  readonly memoryMiB: number;
  readonly credentials: Readonly<Record<"s3-access-key" | "s3-secret-key", pulumi.Input<string>>>;
  /** all that there are: others that there were are removed */
  readonly consumers: readonly ConsumerBuckets[];
}

/** The S3 server. Clients know it as an endpoint, a region, two keys and a bucket, never as RustFS. */
export class Rustfs extends pulumi.ComponentResource {
  static readonly stage = 2;
  static readonly backup: BackupSource = {
    volumes: [{ volume: "rustfs-data", by: "objects" }],
  };

  constructor(name: string, args: RustfsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:Rustfs", name, {}, opts);
    const parent = { parent: this };
    const { vm } = args;
    const { "s3-access-key": accessKey, "s3-secret-key": secretKey } = args.credentials;
    const files = deliverFiles(
      name,
      vm,
      { owner: "10001:10001", files: { access_key: accessKey, secret_key: secretKey } },
      parent,
    );
    const container = service(
      name,
      vm,
      {
        image: args.image,
        user: "10001:10001",
        memoryMiB: args.memoryMiB,
        files,
        filesAt: "/etc/foundation",
        volumes: { "/data": args.volume },
        tmpfs: { "/logs": "uid=10001,gid=10001,mode=0750,size=16m", "/tmp": "mode=1777,size=64m" },
        networks: [
          { network: "rustfs-forgejo" },
          { network: "caddy-rustfs" },
          ...(args.withBackup ? [{ network: "rustfs-backup" as const }] : []),
        ],
        environment: ENVIRONMENT,
        healthCommand: ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:9000/health/ready"],
        graceSeconds: 40,
        startSeconds: 120,
      },
      parent,
    );
    buckets(args, { ...parent, dependsOn: [container] });
    this.registerOutputs({});
  }
}

/** The forge's bucket, and what consumers have; here, because a restore fills them before anything else is there. */
function buckets({ vm, credentials, consumers }: RustfsArgs, ready: pulumi.CustomResourceOptions): void {
  const { "s3-access-key": accessKey, "s3-secret-key": secretKey } = credentials;
  const stdin = pulumi.interpolate`${accessKey}\n${secretKey}\n`;
  const users = consumers.map(({ user }) => user);
  const own = script(
    "bucket-forgejo",
    vm,
    { script: "s3-bucket", args: ["forgejo", ...users], stdin, timeoutSeconds: 60 },
    ready,
  );
  for (const { user, secretKey, buckets } of consumers) {
    const quotas = buckets.map(({ name, quotaBytes }) =>
      quotaBytes === undefined ? name : `${name}:${String(quotaBytes)}`,
    );
    script(
      `${user}-s3`,
      vm,
      {
        script: "s3-consumer",
        args: [user, ...quotas],
        stdin: pulumi.interpolate`${stdin}${secretKey}\n`,
        timeoutSeconds: 120,
      },
      // A bucket that changes hands is taken from the one before it is given to the other.
      { ...ready, dependsOn: [own] },
    );
  }
}

/** Server options; names and meaning as in the server's own documentation. */
const ENVIRONMENT = {
  RUSTFS_VOLUMES: "/data",
  RUSTFS_ADDRESS: ":9000",
  RUSTFS_REGION: S3_REGION,
  RUSTFS_ACCESS_KEY_FILE: "/etc/foundation/access_key",
  RUSTFS_SECRET_KEY_FILE: "/etc/foundation/secret_key",
  // On one node, the default acknowledges small objects before they are on the disk.
  RUSTFS_DURABILITY_MODE: "strict",
  RUSTFS_NEW_BUCKET_DURABILITY_MODE: "strict",
  // Compressed answers confused S3 clients that ask for gzip on their own.
  RUSTFS_COMPRESS_ENABLE: "off",
  // Network and overlay file systems are named in the log instead of refused: a VM may have nothing else.
  RUSTFS_UNSUPPORTED_FS_POLICY: "warn",
  RUSTFS_CONSOLE_ENABLE: "false",
  // It would otherwise ask its maker for newer versions.
  RUSTFS_CHECK_UPDATE: "false",
  // Empty: log to stdout, where Docker rotates it.
  RUSTFS_OBS_LOG_DIRECTORY: "",
  RUSTFS_OBS_LOGGER_LEVEL: "warn",
};
