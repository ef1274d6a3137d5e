import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { Endpoint } from "@pulumi/vault/generic/index.js";
import { SecretV2 } from "@pulumi/vault/kv/index.js";

interface Credentials {
  readonly roleId: string;
  readonly secretId: string;
}

interface VaultConfigArgs {
  /** local end of the tunnel to Vault; stored in state, hence constant */
  readonly tunnelPort: number;
  /** derived, so that they are the same after a rebuild without state */
  readonly appRole: (name: string) => Credentials;
  /** every secret of the foundation, by path below `foundation/` */
  readonly secrets: Readonly<Record<string, Readonly<Record<string, pulumi.Input<string>>>>>;
}

/** Who may read what. The name is that of the policy and of the AppRole. */
export const READERS = {
  /** the operator's own tools: everything of the foundation, changing nothing */
  operator: policy("foundation/data/*", "foundation/metadata/*"),
  forgejo: policy("foundation/data/forgejo/*", "foundation/metadata/forgejo/*"),
  postgres: policy("foundation/data/postgres/*", "foundation/metadata/postgres/*"),
  rustfs: policy("foundation/data/rustfs/*", "foundation/metadata/rustfs/*"),
  /** jobs of the forge: only what is put there for them */
  ci: policy("foundation/data/ci/*", "foundation/metadata/ci/*"),
  /** takes snapshots and leaves its mark in them; reads no secret */
  backup:
    `path "sys/storage/raft/snapshot" {\n  capabilities = ["read"]\n}\n\n` +
    `path "foundation/data/backup/canary" {\n  capabilities = ["create", "update", "read"]\n}\n`,
} as const;

/** Where the unseal helper has mounted the KV store. */
const STORE = "foundation";

/**
 * Vault's content as code: a policy and an AppRole per reader, the mirrored secrets.
 *
 * Only what Vault overwrites without complaint, so that an `up` without state converges. What it refuses to create
 * twice (KV store, audit devices, secret ids) is laid by `unseal-helper ensure`, and nothing here can delete it.
 */
export class VaultConfig extends pulumi.ComponentResource {
  static readonly stage = 4;

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
    for (const [reader, text] of Object.entries(READERS)) this.reader(reader, text, args.appRole(reader), child);
    this.registerOutputs({});
  }

  private reader(name: string, text: string, { roleId }: Credentials, child: pulumi.CustomResourceOptions) {
    const policy = new vault.Policy(`policy-${name}`, { name, policy: text }, child);
    // Not an AuthBackendRole: that refuses a role that is there already, as after a rebuild without state.
    new Endpoint(
      `approle-${name}`,
      {
        path: `auth/approle/role/${name}`,
        dataJson: pulumi.jsonStringify({
          role_id: roleId,
          token_max_ttl: 7200,
          token_policies: [policy.name],
          token_ttl: 1800,
        }),
        disableRead: true,
      },
      child,
    );
  }
}

/**
 * Arguments of the Vault provider: AppRole with constant ids, no token anywhere, no child token.
 * The provider does nothing until a resource needs it, so a preview and an unchanged `up` work while Vault is down.
 */
function providerArgs(tunnelPort: number, { roleId, secretId }: Credentials): vault.ProviderArgs {
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

/** A policy that reads one subtree of the KV store and lists its names. */
function policy(data: string, metadata: string): string {
  return `path "${data}" {\n  capabilities = ["read"]\n}\n\npath "${metadata}" {\n  capabilities = ["list", "read"]\n}\n`;
}
