import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { createHash } from "node:crypto";
import { CANARY, FORGEJO_BACKUP } from "./forgejo-backup.ts";
import type { PulledImage } from "./images.ts";
import { deliverFiles, type DeliveredFiles } from "./secret-files.ts";
import { service } from "./service.ts";
import { ENDPOINTS, S3_REGION, subnet } from "./topology.ts";
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
  /** derived: what is encrypted in the database depends on the one, clients pin the others */
  readonly keys: {
    readonly secretKey: string;
    readonly sshHostKeys: Readonly<Record<"ed25519" | "ecdsa", { readonly privateKeyPem: string }>>;
  };
}

/** Values of app.ini, once all are known. */
export interface AppIni {
  readonly site: string;
  readonly sshPort: number;
  /** subnet of the web server's network; only it may say who the client is */
  readonly proxySubnet: string;
  readonly webhookHosts: readonly string[];
  readonly databaseConnections: number;
  readonly databasePassword: string;
  readonly s3AccessKey: string;
  readonly s3SecretKey: string;
  readonly secretKey: string;
  readonly internalToken: string;
  /** base64url of 32 bytes */
  readonly oauthSecret: string;
  /** base64url of 32 bytes */
  readonly lfsSecret: string;
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

/**
 * app.ini. Every value that the forge would otherwise generate and write back is given, because the file is read-only;
 * paths are inside the data volume, because the root file system is read-only too.
 */
export function appIni(v: AppIni): string {
  return ini({
    "": { APP_NAME: "Foundation", RUN_MODE: "prod", WORK_PATH: "/var/lib/gitea" },
    server: serverSection(v),
    database: databaseSection(v),
    security: {
      INSTALL_LOCK: true,
      SECRET_KEY: v.secretKey,
      INTERNAL_TOKEN: v.internalToken,
      REVERSE_PROXY_LIMIT: 1,
      REVERSE_PROXY_TRUSTED_PROXIES: v.proxySubnet,
      MIN_PASSWORD_LENGTH: 12,
    },
    service: {
      DISABLE_REGISTRATION: true,
      REQUIRE_SIGNIN_VIEW: true,
      ENABLE_NOTIFY_MAIL: false,
      DEFAULT_KEEP_EMAIL_PRIVATE: true,
      DEFAULT_ALLOW_CREATE_ORGANIZATION: false,
    },
    openid: { ENABLE_OPENID_SIGNIN: false, ENABLE_OPENID_SIGNUP: false },
    oauth2: { JWT_SECRET: v.oauthSecret },
    repository: { ROOT: "/var/lib/gitea/git/repositories" },
    "repository.local": { LOCAL_COPY_PATH: "/var/lib/gitea/tmp/local-repo" },
    "repository.upload": { TEMP_PATH: "/var/lib/gitea/tmp/uploads" },
    storage: storageSection(v),
    packages: { ENABLED: true },
    // WORKFLOW_DIRS: where Forgejo looks anyway; Gitea, which can take its place, has to be told.
    actions: {
      ENABLED: true,
      DEFAULT_ACTIONS_URL: "self",
      WORKFLOW_DIRS: ".forgejo/workflows,.gitea/workflows,.github/workflows",
    },
    session: { PROVIDER: "db", COOKIE_SECURE: true },
    cache: { ADAPTER: "twoqueue", HOST: '{"size":100,"recent_ratio":0.25,"ghost_ratio":0.5}' },
    picture: { DISABLE_GRAVATAR: true },
    webhook: { ALLOWED_HOST_LIST: v.webhookHosts.join(",") },
    migrations: { ALLOW_LOCALNETWORKS: false },
    "cron.update_checker": { ENABLED: false },
    // A repack while a backup reads takes objects away under it; forgejo-gc.sh does it in between.
    "cron.git_gc_repos": { ENABLED: false },
    "git.config": { "receive.autogc": false, "gc.auto": 0 },
    log: { MODE: "console", LEVEL: "Info" },
  });
}

function serverSection(v: AppIni): Section {
  return {
    PROTOCOL: "http",
    HTTP_ADDR: "0.0.0.0",
    HTTP_PORT: 3000,
    DOMAIN: v.site,
    ROOT_URL: `https://${v.site}/`,
    APP_DATA_PATH: "/var/lib/gitea",
    START_SSH_SERVER: true,
    BUILTIN_SSH_SERVER_USER: "git",
    SSH_DOMAIN: v.site,
    SSH_PORT: v.sshPort,
    SSH_LISTEN_PORT: 2222,
    SSH_SERVER_HOST_KEYS: "/etc/foundation/ssh_host_ed25519_key, /etc/foundation/ssh_host_ecdsa_key",
    LFS_START_SERVER: true,
    LFS_JWT_SECRET: v.lfsSecret,
    OFFLINE_MODE: true,
    GRACEFUL_HAMMER_TIME: "60s",
  };
}

function databaseSection(v: AppIni): Section {
  return {
    DB_TYPE: "postgres",
    HOST: ENDPOINTS.postgres,
    NAME: "forgejo",
    USER: "forgejo",
    PASSWD: v.databasePassword,
    // The network has two members, and the password is never sent in clear.
    SSL_MODE: "disable",
    MAX_OPEN_CONNS: v.databaseConnections,
    MAX_IDLE_CONNS: Math.ceil(v.databaseConnections / 4),
    CONN_MAX_LIFETIME: "5m",
  };
}

/** One section for attachments, LFS, avatars, packages and Actions: each keeps to a prefix of the bucket. */
function storageSection(v: AppIni): Section {
  return {
    STORAGE_TYPE: "minio",
    MINIO_ENDPOINT: ENDPOINTS.s3,
    MINIO_LOCATION: S3_REGION,
    MINIO_BUCKET: "forgejo",
    MINIO_BUCKET_LOOKUP: "path",
    MINIO_ACCESS_KEY_ID: v.s3AccessKey,
    MINIO_SECRET_ACCESS_KEY: v.s3SecretKey,
    MINIO_USE_SSL: false,
    SERVE_DIRECT: false,
  };
}

type Section = Readonly<Record<string, string | number | boolean>>;

function ini(sections: Readonly<Record<string, Section>>): string {
  const text = ([name, keys]: [string, Section]): string => {
    const lines = Object.entries(keys).map(([key, value]) => `${key} = ${String(value)}\n`);
    return `${name === "" ? "" : `[${name}]\n`}${lines.join("")}`;
  };
  return Object.entries(sections).map(text).join("\n");
}
