import { text, type Driver } from "../driver.ts";
import { parsePath } from "../paths.ts";
import type { Properties, Value } from "../values.ts";
import type { VaultClient, VaultClients } from "./vault-client.ts";

/** Inputs of a role that are fields of the API, with what Vault has when they are not given. */
const ROLE_FIELDS: Readonly<Record<string, { readonly field: string; readonly unset: Value }>> = {
  bindSecretId: { field: "bind_secret_id", unset: true },
  secretIdBoundCidrs: { field: "secret_id_bound_cidrs", unset: [] },
  secretIdNumUses: { field: "secret_id_num_uses", unset: 0 },
  secretIdTtl: { field: "secret_id_ttl", unset: 0 },
  tokenBoundCidrs: { field: "token_bound_cidrs", unset: [] },
  tokenExplicitMaxTtl: { field: "token_explicit_max_ttl", unset: 0 },
  tokenMaxTtl: { field: "token_max_ttl", unset: 0 },
  tokenNoDefaultPolicy: { field: "token_no_default_policy", unset: false },
  tokenNumUses: { field: "token_num_uses", unset: 0 },
  tokenPeriod: { field: "token_period", unset: 0 },
  tokenPolicies: { field: "token_policies", unset: [] },
  tokenTtl: { field: "token_ttl", unset: 0 },
  tokenType: { field: "token_type", unset: "default" },
};

/** vault:appRole/authBackendRole:AuthBackendRole. */
export function vaultAppRole(clients: VaultClients): Driver {
  const writeRoleId = async (client: VaultClient, inputs: Properties): Promise<Properties> => {
    const path = `${rolePath(inputs)}/role-id`;
    if (text(inputs["roleId"]) !== "") await client.write(path, { role_id: inputs["roleId"] ?? "" });
    return { roleId: (await client.read(path))?.["role_id"] ?? "" };
  };
  return {
    inputs: ["backend", "roleName", "roleId", ...Object.keys(ROLE_FIELDS)],
    replaceOn: ["backend", "roleName"],
    unordered: ["tokenPolicies", "tokenBoundCidrs", "secretIdBoundCidrs"],
    needsProvider: true,
    async create(inputs, context) {
      const client = clients.get(context);
      const given = Object.entries(ROLE_FIELDS).filter(([input]) => inputs[input] !== undefined);
      const body = given.map(([input, { field }]) => [field, inputs[input] ?? null] as const);
      await client.write(rolePath(inputs), Object.fromEntries(body));
      return { id: rolePath(inputs), outputs: await writeRoleId(client, inputs) };
    },
    async update(existing, inputs, changes, context) {
      const client = clients.get(context);
      // all of them when a former update was interrupted and nothing is known to differ
      const changed = new Set(changes.map(({ path }) => parsePath(path)[0]));
      const fields = Object.entries(ROLE_FIELDS).filter(([input]) => changed.size === 0 || changed.has(input));
      const body = fields.map(([input, { field, unset }]) => [field, inputs[input] ?? unset] as const);
      await client.write(rolePath(inputs), Object.fromEntries(body));
      return { ...existing.outputs, ...(await writeRoleId(client, inputs)) };
    },
    remove: ({ inputs }, context) => clients.get(context).remove(rolePath(inputs)),
  };
}

function rolePath(inputs: Properties): string {
  return `auth/${backendOf(inputs)}/role/${text(inputs["roleName"])}`;
}

function backendOf(inputs: Properties): string {
  return (text(inputs["backend"]) || "approle").replace(/^\/+|\/+$/g, "");
}
