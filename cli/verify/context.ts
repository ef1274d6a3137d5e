import type { Sites } from "../../config.ts";
import type { AppRoleCredentials } from "../../keys/derive.ts";
import type { SshTarget } from "../../ssh-target.ts";
import { fetchCertificate } from "../certificate.ts";
import type { Run } from "../exec.ts";
import { createHttp, type Http } from "../http.ts";
import type { Shell } from "../shell.ts";
import type { OpenStack } from "../stack.ts";
import { loginToVault } from "../vault-client.ts";

/** A foundation as its clients know it. Collected once; it stays valid while Vault is sealed. */
export interface VerifyContext {
  readonly sites: Sites;
  readonly target: SshTarget;
  /** CA of the sites, PEM; undefined where they use public certificates */
  readonly ca: string | undefined;
  readonly forge: {
    readonly username: string;
    readonly password: string;
    readonly organisation: string;
    readonly sshPort: number;
    /** `ssh-ed25519 AAAA…` */
    readonly sshHostKey: string;
  };
  readonly s3: { readonly accessKey: string; readonly secretKey: string };
  readonly database: { readonly username: string; readonly password: string };
  readonly vault: {
    /** role that may read `forgejo/*` and nothing else */
    readonly reader: AppRoleCredentials;
  };
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** sends requests to the sites, trusting `ca` */
  readonly http: Http;
  /** the same, also after Ctrl-C: for undoing */
  readonly httpForCleanup: Http;
  readonly run: Run;
}

/** Where in Vault the credentials are that the checks use. */
export const CREDENTIAL_PATHS = {
  forge: "forgejo/admin",
  s3: "rustfs/root",
  database: "postgres/superuser",
} as const;

/**
 * Collects what the checks need: names from the configuration, host keys and roles from the key file, passwords from
 * Vault.
 *
 * @param caFile value of `--ca`
 * @throws UserError where the foundation cannot be reached or Vault is sealed
 */
export async function collectContext(shell: Shell, stack: OpenStack, caFile?: string): Promise<VerifyContext> {
  const { config, secrets } = stack;
  const ca = await certificateOf(shell, stack, caFile);
  const http = createHttp(ca, shell.interrupted);
  const session = await loginToVault(http, `https://${config.sites.vault}`, secrets.vaultAppRole("operator"));
  const [forge, s3, database] = await Promise.all([
    session.read(CREDENTIAL_PATHS.forge),
    session.read(CREDENTIAL_PATHS.s3),
    session.read(CREDENTIAL_PATHS.database),
  ]);
  await session.end();
  return {
    sites: config.sites,
    target: config.host,
    ca,
    forge: {
      ...pick(forge, "username", "password"),
      organisation: config.forge.organisation,
      sshPort: config.forge.sshPort,
      sshHostKey: secrets.forgejo.sshHostKeys.ed25519.publicKey,
    },
    s3: pick(s3, "accessKey", "secretKey"),
    database: pick(database, "username", "password"),
    vault: { reader: secrets.vaultAppRole("forgejo") },
    environment: shell.environment,
    http,
    httpForCleanup: createHttp(ca),
    run: shell.run,
  };
}

/** The CA that the sites' certificates are to be checked against; undefined for the public ones. */
export function certificateOf(shell: Shell, stack: OpenStack, caFile?: string): Promise<string | undefined> {
  const { config, secrets } = stack;
  if (caFile === undefined && config.tls.mode !== "internal") return Promise.resolve(undefined);
  return fetchCertificate(createHttp(undefined, shell.interrupted), {
    file: caFile,
    home: config.sites.home,
    rootKeyPem: secrets.ca.rootKeyPem,
  });
}

function pick<K extends string>(values: Record<string, string>, ...keys: K[]): Record<K, string> {
  return Object.fromEntries(keys.map((key) => [key, values[key] ?? ""])) as Record<K, string>;
}
