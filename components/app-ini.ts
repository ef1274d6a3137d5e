import { ENDPOINTS, S3_REGION } from "./topology.ts";

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
    actions: {
      ENABLED: true,
      DEFAULT_ACTIONS_URL: "self",
      // Where Forgejo looks anyway; Gitea, which can take its place, has to be told. It has no id tokens, and passes over
      // what follows.
      WORKFLOW_DIRS: ".forgejo/workflows,.gitea/workflows,.github/workflows",
      ID_TOKEN_SIGNING_ALGORITHM: "EdDSA",
      ID_TOKEN_SIGNING_PRIVATE_KEY_FILE: "/etc/foundation/id_token_key",
      // Seconds. A job asks for one when it uses it; an hour, which is the default, would outlive most jobs.
      ID_TOKEN_EXPIRATION_TIME: 300,
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
