import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { SecretV2 } from "@pulumi/vault/kv/index.js";
import { jobRole, jobSigner, type TrustedJobs } from "./job-login.ts";
import { readOnly, STORE, vaultReader, type VaultLogin } from "./vault-reader.ts";

interface VaultConfigArgs {
  /** local end of the tunnel to Vault; stored in state, hence constant */
  readonly tunnelPort: number;
  /** derived, so that they are the same after a rebuild without state */
  readonly appRole: (name: string) => VaultLogin;
  /** every secret of the foundation, by path below `foundation/` */
  readonly secrets: Readonly<Record<string, Readonly<Record<string, pulumi.Input<string>>>>>;
  /** public half of the key with which the forge signs for jobs */
  readonly idTokenKeyPem: string;
  /** public host names */
  readonly sites: Readonly<Record<"git" | "vault", string>>;
  /** those that have the reader `ci` */
  readonly jobs: TrustedJobs;
}

/** Who may read what. The name is that of the policy and of the AppRole. */
export const READERS = {
  /** the operator's own tools: everything of the foundation, changing nothing */
  operator: readOnly(""),
  forgejo: readOnly("forgejo/"),
  postgres: readOnly("postgres/"),
  rustfs: readOnly("rustfs/"),
  /** jobs of the forge: only what is put there for them */
  ci: readOnly("ci/"),
  /** takes snapshots and leaves its mark in them; reads no secret */
  backup:
    `path "sys/storage/raft/snapshot" {\n  capabilities = ["read"]\n}\n\n` +
    `path "foundation/data/backup/canary" {\n  capabilities = ["create", "update", "read"]\n}\n`,
} as const;

/**
 * Vault's content as code: a policy and an AppRole per reader, who signs for jobs, the mirrored secrets.
 *
 * Only what Vault overwrites without complaint, so that an `up` without state converges. What it refuses to create
 * twice (KV store, audit devices, logins, secret ids) is laid by `unseal-helper ensure`, and nothing here can delete
 * it.
 */
export class VaultConfig extends pulumi.ComponentResource {
  static readonly stage = 4;
  /** for what else is written into this Vault */
  readonly provider: vault.Provider;

  constructor(name: string, args: VaultConfigArgs, opts: pulumi.ComponentResourceOptions) {
    super("foundation:index:VaultConfig", name, {}, opts);
    const provider = new vault.Provider("vault", providerArgs(args.tunnelPort, args.appRole("pulumi")), {
      parent: this,
    });
    const child = { parent: this, provider };
    for (const [path, values] of Object.entries(args.secrets)) {
      new SecretV2(
        path.replaceAll("/", "-"),
        {
          mount: STORE,
          name: path,
          dataJson: pulumi.secret(pulumi.jsonStringify(values)),
          // A value that somebody changed in Vault is not read back: the source of these is the program.
          disableRead: true,
        },
        child,
      );
    }
    jobSigner(args.sites.git, args.idTokenKeyPem, child);
    for (const [reader, text] of Object.entries(READERS)) {
      const policy = vaultReader(reader, text, args.appRole(reader), child);
      if (reader === "ci") jobRole(reader, [policy], args.jobs, args.sites.vault, child);
    }
    this.provider = provider;
    this.registerOutputs({});
  }
}

/**
 * Arguments of the Vault provider: AppRole with constant ids, no token anywhere, no child token.
 * The provider does nothing until a resource needs it, so a preview and an unchanged `up` work while Vault is down.
 */
function providerArgs(tunnelPort: number, { roleId, secretId }: VaultLogin): vault.ProviderArgs {
  return {
    address: `http://127.0.0.1:${String(tunnelPort)}`,
    authLogin: {
      path: "auth/approle/login",
      parameters: pulumi.secret({ role_id: roleId, secret_id: secretId }),
    },
    skipChildToken: true,
    // Otherwise it would ask for the version even where no resource needs an answer.
    skipGetVaultVersion: true,
  };
}
