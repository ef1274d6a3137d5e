import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { sourcePath } from "./backup-plan.ts";
import type { BackupSource } from "./backup-source.ts";
import type { PulledImage } from "./images.ts";
import { offsiteCa, type Repository } from "./repository.ts";
import { deliverFiles, type DeliveredFiles } from "./secret-files.ts";
import { service } from "./service.ts";
import { script, type Vm } from "./vm.ts";

/** Volumes that it reads: those that are backed up as files, and Vault's for the mark that its initialisation left. */
const READ = ["forgejo-data", "caddy-data", "vault-data"] as const;

interface BackupArgs {
  readonly vm: Vm;
  readonly image: PulledImage;
  readonly memoryMiB: number;
  readonly volume: docker.Volume;
  readonly sources: Readonly<Record<(typeof READ)[number], docker.Volume>>;
  /** plan.json */
  readonly plan: pulumi.Input<string>;
  /** databases that its role must be able to read */
  readonly databases: readonly string[];
  readonly offsite: Repository;
  readonly resticPassword: string;
  readonly appRole: { readonly roleId: string; readonly secretId: string };
  readonly credentials: Readonly<
    Record<
      "backup-database-password" | "forgejo-backup-password" | "s3-access-key" | "s3-secret-key",
      pulumi.Input<string>
    >
  >;
}

/**
 * The backup job: reads every store while it is in use, and can change or delete nothing of what it reads but the canary,
 * which has a row, a repository, an object and a key of its own.
 */
export class Backup extends pulumi.ComponentResource {
  static readonly stage = 7;
  static readonly backup: BackupSource = {
    volumes: [{ volume: "backup-data", by: "nothing", reason: "the backup's own copies, made again by the next run" }],
  };

  constructor(name: string, args: BackupArgs, opts: pulumi.ComponentResourceOptions) {
    super("foundation:index:Backup", name, {}, opts);
    const parent = { parent: this };
    const { vm } = args;
    const files = deliver(name, args, parent);
    // Here and not with the database server: a database that was restored has lost what was granted on it.
    const reader = script(
      "postgres-reader",
      vm,
      { script: "postgres-reader", args: ["backup", ...args.databases], timeoutSeconds: 60 },
      parent,
    );
    service(
      name,
      vm,
      {
        ...SERVICE,
        image: args.image,
        memoryMiB: args.memoryMiB,
        files,
        volumes: { "/var/lib/backup": args.volume },
        readOnlyVolumes: Object.fromEntries(READ.map((volume) => [sourcePath(volume), args.sources[volume]])),
      },
      { ...parent, dependsOn: [reader] },
    );
    this.registerOutputs({});
  }
}

function deliver(name: string, args: BackupArgs, parent: pulumi.CustomResourceOptions): DeliveredFiles {
  const { appRole, credentials, offsite } = args;
  const files = {
    "plan.json": args.plan,
    restic_password: args.resticPassword,
    offsite_password: offsite.password,
    ...offsiteCa(offsite),
    postgres_password: credentials["backup-database-password"],
    forge_password: credentials["forgejo-backup-password"],
    s3_access_key: credentials["s3-access-key"],
    s3_secret_key: credentials["s3-secret-key"],
    vault_role_id: appRole.roleId,
    vault_secret_id: appRole.secretId,
  };
  return deliverFiles(name, args.vm, { owner: "1000:1000", files }, parent);
}

/** What is the same in every foundation. */
const SERVICE = {
  user: "1000:1000",
  filesAt: "/etc/foundation",
  // What the operator's machine puts there for a rebuild.
  hostDirectories: { "/kit": "/var/lib/foundation/kit" },
  // The second: the database image declares a volume there, which would otherwise be made anew with every container.
  tmpfs: { "/tmp": "mode=1777,size=64m", "/var/lib/postgresql": "mode=0700,size=1m" },
  networks: [
    { network: "postgres-backup" },
    { network: "rustfs-backup" },
    { network: "vault-backup" },
    { network: "forgejo-backup" },
    { network: "backup-public" },
  ],
  // restic takes a lock of its own host whose process is gone for stale.
  randomHostname: true,
  // The job says until when what it knows holds good; a shell asks that without starting the job's program.
  healthCommand: ["sh", "-c", 'test "$(date +%s)" -lt "$(cat /var/lib/backup/state/healthy-until)"'],
  stopSignal: "SIGTERM",
  // restic removes its lock from the repository before it ends.
  graceSeconds: 60,
  startSeconds: 60,
} as const;
