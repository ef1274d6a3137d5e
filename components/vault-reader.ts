import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { Endpoint } from "@pulumi/vault/generic/index.js";

/** Where the unseal helper has mounted the KV store. */
export const STORE = "foundation";

/** How a machine logs in to Vault. */
export interface VaultLogin {
  readonly roleId: string;
  readonly secretId: string;
}

/**
 * A policy and the AppRole of the same name that has it; the secret id is laid by `unseal-helper ensure`.
 *
 * @returns name of the policy, for who else is to have it
 */
export function vaultReader(
  name: string,
  text: string,
  { roleId }: VaultLogin,
  child: pulumi.CustomResourceOptions,
): pulumi.Output<string> {
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
  return policy.name;
}

/** A policy that reads one subtree of the KV store and lists its names. @param tree with a / at its end, or empty for all */
export function readOnly(tree: string): string {
  return `${statement(`${STORE}/data/${tree}*`, "read")}\n${statement(`${STORE}/metadata/${tree}*`, "list", "read")}`;
}

/** What a policy allows under one path. */
export function statement(path: string, ...capabilities: string[]): string {
  return `path "${path}" {\n  capabilities = ${JSON.stringify(capabilities).replaceAll(",", ", ")}\n}\n`;
}
