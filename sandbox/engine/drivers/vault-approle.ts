import { text, type Driver } from "../driver.ts";
import { parsePath } from "../paths.ts";
import type { Properties, Value } from "../values.ts";
import { VaultError, type VaultClient, type VaultClients } from "./vault-client.ts";

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

/** vault:appRole/authBackendRoleSecretId:AuthBackendRoleSecretId. */
export function vaultAppRoleSecretId(clients: VaultClients): Driver {
  const inputs = ["backend", "roleName", "secretId", "cidrLists", "tokenBoundCidrs", "metadata", "ttl", "numUses"];
  return {
    inputs,
    replaceOn: inputs,
    unordered: ["cidrLists", "tokenBoundCidrs"],
    secretOutputs: ["secretId"],
    needsProvider: true,
    collides: (before, after) => rolePath(before) === rolePath(after) && before["secretId"] === after["secretId"],
    async create(args, context) {
      const client = clients.get(context);
      const custom = text(args["secretId"]) !== "";
      const created = await client
        .write(`${rolePath(args)}/${custom ? "custom-secret-id" : "secret-id"}`, secretIdBody(args))
        .catch((error: unknown) => {
          const mine = context.resumed && error instanceof VaultError && error.answers.includes("already registered");
          if (!mine) throw error;
          // registered by the run that was interrupted
          return client.write(`${rolePath(args)}/secret-id/lookup`, { secret_id: args["secretId"] ?? "" });
        });
      const accessor = text(created["secret_id_accessor"]);
      return {
        id: `backend=${backendOf(args)}::role=${text(args["roleName"])}::accessor=${accessor}`,
        outputs: { accessor, secretId: created["secret_id"] ?? args["secretId"] ?? "" },
      };
    },
    async remove({ inputs: args, outputs }, context) {
      const accessor = text(outputs["accessor"]);
      if (accessor === "") return;
      await clients
        .get(context)
        .write(`${rolePath(args)}/secret-id-accessor/destroy`, { secret_id_accessor: accessor })
        .catch((error: unknown) => {
          // it went with its role, or has expired
          if (!(error instanceof VaultError) || ![400, 404, 500].includes(error.status)) throw error;
        });
    },
  };
}

function secretIdBody(inputs: Properties): Properties {
  const joined = (input: string): string => (inputs[input] as string[] | undefined)?.join(",") ?? "";
  const all: Properties = {
    secret_id: text(inputs["secretId"]),
    cidr_list: joined("cidrLists"),
    token_bound_cidrs: joined("tokenBoundCidrs"),
    metadata: text(inputs["metadata"]),
    ttl: text(inputs["ttl"]),
    num_uses: inputs["numUses"] ?? "",
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
}

function rolePath(inputs: Properties): string {
  return `auth/${backendOf(inputs)}/role/${text(inputs["roleName"])}`;
}

function backendOf(inputs: Properties): string {
  return (text(inputs["backend"]) || "approle").replace(/^\/+|\/+$/g, "");
}
