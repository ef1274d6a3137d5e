import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { createHash } from "node:crypto";
import { appIni } from "./app-ini.ts";
import { CANARY, FORGEJO_BACKUP } from "./forgejo-backup.ts";
import type { PulledImage } from "./images.ts";
import { deliverFiles, type DeliveredFiles } from "./secret-files.ts";
import { service } from "./service.ts";
import { subnet } from "./topology.ts";
import { script, type Vm } from "./vm.ts";

interface ForgejoArgs {
  readonly vm: Vm;
  readonly image: PulledImage;
  readonly volume: docker.Volume;
  /** whether a backup shares a network with it, and has an account */
  readonly withBackup: boolean;
  readonly limits: { readonly memoryMiB: number; readonly databaseConnections: number };
  /** public host names */
  readonly sites: Readonly<Record<"home" | "git" | "vault" | "s3", string>>;
  readonly forge: {
    readonly admin: string;
    readonly adminEmail: string;
    readonly organisation: string;
    /** public port of git over SSH */
    readonly sshPort: number;
  };
  /** accounts of all consumers, `ROBOT:ORGANISATION`: others that there were are removed */
  readonly robots: readonly string[];
  /** that may be called beside the sites */
  readonly webhookHosts: readonly string[];
  readonly credentials: Readonly<
    Record<
      | "forgejo-admin-password"
      | "forgejo-backup-password"
      | "forgejo-database-password"
      | "forgejo-internal-token"
      | "forgejo-lfs-secret"
      | "forgejo-oauth-secret"
      | "s3-access-key"
      | "s3-secret-key",
      pulumi.Input<string>
    >
  >;
  /** derived: what is encrypted in the database depends on the first, clients pin the others */
  readonly keys: {
    readonly secretKey: string;
    readonly sshHostKeys: Readonly<Record<"ed25519" | "ecdsa", { readonly privateKeyPem: string }>>;
    /** Vault has the public half, job-login.ts */
    readonly idTokenKey: { readonly privateKeyPem: string };
  };
}

/** The forge: git, Actions, OCI and npm registry. */
export class Forgejo extends pulumi.ComponentResource {
  static readonly stage = 5;
  static readonly backup = FORGEJO_BACKUP;

  constructor(name: string, args: ForgejoArgs, opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:Forgejo", name, {}, opts);
    const parent = { parent: this };
    const { vm } = args;
    const files = deliverFiles(
      name,
      vm,
      {
        owner: "1000:1000",
        files: {
          "app.ini": renderedIni(args),
          ssh_host_ed25519_key: args.keys.sshHostKeys.ed25519.privateKeyPem,
          ssh_host_ecdsa_key: args.keys.sshHostKeys.ecdsa.privateKeyPem,
          id_token_key: args.keys.idTokenKey.privateKeyPem,
        },
      },
      parent,
    );
    const container = service(name, vm, { ...SERVICE, ...serviceArgs(args, files) }, parent);
    accounts(name, args, { ...parent, dependsOn: [container] });
    this.registerOutputs({});
  }
}

/** Users and the organisation, once the server answers. */
function accounts(
  name: string,
  { vm, forge, robots, credentials, withBackup }: ForgejoArgs,
  ready: pulumi.CustomResourceOptions,
) {
  const password = credentials["forgejo-admin-password"];
  const ofBackup = credentials["forgejo-backup-password"];
  const account = withBackup ? [CANARY.account, CANARY.repository] : [];
  const others = robots.length > 0 ? ["--", ...robots] : [];
  const args = [forge.admin, forge.adminEmail, forge.organisation, ...account, ...others];
  const stdin = withBackup ? pulumi.interpolate`${password}\n${ofBackup}\n` : pulumi.interpolate`${password}\n`;
  script(`${name}-admin`, vm, { script: "forgejo-admin", args, stdin, timeoutSeconds: 120 }, ready);
}

function serviceArgs({ image, volume, limits, forge, withBackup }: ForgejoArgs, files: DeliveredFiles) {
  return {
    image,
    files,
    memoryMiB: limits.memoryMiB,
    environment: {
      ...SERVICE.environment,
      // Go lets garbage grow as large as what is in use, and a buffer of its S3 client is half a gigabyte (sizing.ts).
      GOMEMLIMIT: `${String(Math.floor(limits.memoryMiB * 0.8))}MiB`,
    },
    volumes: { "/var/lib/gitea": volume },
    ports: [{ internal: 2222, external: forge.sshPort }],
    networks: [...NETWORKS, ...(withBackup ? [{ network: "forgejo-backup" as const }] : [])],
  };
}

const NETWORKS = [
  { network: "postgres-forgejo" },
  { network: "rustfs-forgejo" },
  { network: "caddy-forgejo" },
  { network: "forgejo-public" },
] as const;

/** What is the same in every foundation. */
const SERVICE = {
  user: "1000:1000",
  filesAt: "/etc/foundation",
  tmpfs: {
    "/etc/gitea": "uid=1000,gid=1000,mode=0700,size=1m",
    "/tmp": "mode=1777,size=64m",
  },
  environment: {
    GITEA_APP_INI: "/etc/foundation/app.ini",
    // On the data volume: an image layer on its way into the registry may be larger than the memory limit.
    GITEA_TEMP: "/var/lib/gitea/tmp",
    TMPDIR: "/var/lib/gitea/tmp",
  },
  healthCommand: ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:3000/api/healthz"],
  graceSeconds: 75,
  startSeconds: 180,
  // The image starts through dumb-init.
  init: false,
} as const;

function renderedIni({
  vm,
  sites,
  forge,
  limits,
  keys,
  credentials,
  webhookHosts,
}: ForgejoArgs): pulumi.Output<string> {
  // Only what is used: for any other new credential, a preview would show a replacement that never happens.
  const used = {
    databasePassword: credentials["forgejo-database-password"],
    s3AccessKey: credentials["s3-access-key"],
    s3SecretKey: credentials["s3-secret-key"],
    internalToken: credentials["forgejo-internal-token"],
    oauthSecret: credentials["forgejo-oauth-secret"],
    lfsSecret: credentials["forgejo-lfs-secret"],
  };
  return pulumi.output(used).apply((secrets) =>
    appIni({
      site: sites.git,
      sshPort: forge.sshPort,
      proxySubnet: subnet(vm.subnetPrefix, "caddy-forgejo"),
      webhookHosts: [...Object.values<string>(sites), ...webhookHosts],
      databaseConnections: limits.databaseConnections,
      secretKey: keys.secretKey,
      ...secrets,
      oauthSecret: keyOf(secrets.oauthSecret),
      lfsSecret: keyOf(secrets.lfsSecret),
    }),
  );
}

/** 32 bytes in base64url: the form that the forge wants its JWT keys in. */
function keyOf(characters: string): string {
  return createHash("sha256").update(characters).digest("base64url");
}
