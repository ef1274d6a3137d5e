import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { BackupSource } from "./backup-source.ts";
import type { PulledImage } from "./images.ts";
import { deliverFiles } from "./secret-files.ts";
import { service } from "./service.ts";
import { script, type Vm } from "./vm.ts";

/** A database of somebody's who is no service of the foundation. */
export interface ConsumerDatabase {
  /** of the database and of the role that owns it */
  readonly database: string;
  readonly password: pulumi.Input<string>;
}

interface PostgresArgs {
  readonly vm: Vm;
  readonly image: PulledImage;
  readonly volume: docker.Volume;
  /** whether a backup shares a network with it */
  readonly withBackup: boolean;
  readonly limits: {
    readonly memoryMiB: number;
    readonly sharedMemoryMiB: number;
    readonly sharedBuffersMiB: number;
    readonly maxConnections: number;
  };
  readonly credentials: Readonly<
    Record<
      "backup-database-password" | "forgejo-database-password" | "postgres-superuser-password",
      pulumi.Input<string>
    >
  >;
  /** all that there are: from others that there were, the login is taken */
  readonly consumers: readonly ConsumerDatabase[];
}

/** The one database server. Every client has a role and a database of its own and no rights elsewhere. */
export class Postgres extends pulumi.ComponentResource {
  static readonly stage = 2;
  static readonly backup: BackupSource = {
    volumes: [{ volume: "postgres-data", by: "database" }],
    // The backup's own, in which it leaves the id of each run.
    databases: [{ name: "backup" }],
  };

  constructor(name: string, args: PostgresArgs, opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:Postgres", name, {}, opts);
    const parent = { parent: this };
    const { vm, limits } = args;
    const superuserPassword = args.credentials["postgres-superuser-password"];
    const files = deliverFiles(
      name,
      vm,
      { owner: "999:999", files: { superuser_password: superuserPassword } },
      parent,
    );
    const container = service(
      name,
      vm,
      {
        ...SERVICE,
        image: args.image,
        memoryMiB: limits.memoryMiB,
        sharedMemoryMiB: limits.sharedMemoryMiB,
        files,
        volumes: { "/var/lib/postgresql": args.volume },
        networks: [
          { network: "postgres-forgejo" },
          ...(args.withBackup ? [{ network: "postgres-backup" as const }] : []),
        ],
        command: ["postgres", ...settings(limits)],
      },
      parent,
    );
    passwords(name, args, { ...parent, dependsOn: [container] });
    this.registerOutputs({});
  }
}

/** Roles and databases, once the server answers. */
function passwords(
  name: string,
  { vm, credentials, consumers }: PostgresArgs,
  ready: pulumi.CustomResourceOptions,
): void {
  const superuserPassword = credentials["postgres-superuser-password"];
  script(
    `${name}-superuser`,
    vm,
    {
      script: "postgres-superuser",
      args: consumers.map(({ database }) => database),
      stdin: pulumi.interpolate`${superuserPassword}\n`,
      timeoutSeconds: 60,
    },
    ready,
  );
  const databases = [
    { database: "backup", password: credentials["backup-database-password"], mark: [] },
    { database: "forgejo", password: credentials["forgejo-database-password"], mark: [] },
    ...consumers.map((consumer) => ({ ...consumer, mark: ["consumer"] })),
  ];
  for (const { database, password, mark } of databases) {
    const stdin = pulumi.interpolate`${password}\n`;
    script(
      `postgres-database-${database}`,
      vm,
      { script: "postgres-database", args: [database, ...mark], stdin, timeoutSeconds: 60 },
      ready,
    );
  }
}

/** What is the same in every foundation. */
const SERVICE = {
  user: "999:999",
  filesAt: "/etc/foundation",
  tmpfs: { "/tmp": "mode=1777,size=64m", "/var/run/postgresql": "uid=999,gid=999,mode=3775,size=1m" },
  environment: {
    POSTGRES_INITDB_ARGS: "--encoding=UTF8 --locale-provider=builtin --locale=C.UTF-8 --data-checksums",
    POSTGRES_PASSWORD_FILE: "/etc/foundation/superuser_password",
  },
  // Over TCP: while the data directory is being created, a temporary server already answers on the socket.
  healthCommand: ["pg_isready", "--quiet", "--host=127.0.0.1", "--username=postgres"],
  stopSignal: "SIGINT",
  graceSeconds: 120,
  startSeconds: 120,
} as const;

/** Server options as `-c key=value` arguments. */
export function settings(limits: PostgresArgs["limits"]): string[] {
  const options = {
    max_connections: String(limits.maxConnections),
    shared_buffers: `${String(limits.sharedBuffersMiB)}MB`,
    // What the planner may assume is cached, by the server's manual half to three quarters of the memory.
    effective_cache_size: `${String(Math.floor(limits.memoryMiB / 2))}MB`,
    password_encryption: "scram-sha-256",
    log_connections: "off",
    log_min_duration_statement: "5s",
  };
  return Object.entries(options).flatMap(([key, value]) => ["-c", `${key}=${value}`]);
}
