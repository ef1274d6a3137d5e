import { text, type Driver } from "../driver.ts";
import type { VaultClients } from "./vault-client.ts";

/** vault:index/policy:Policy. */
export function vaultPolicy(clients: VaultClients): Driver {
  const path = (name: unknown): string => `sys/policies/acl/${encodeURIComponent(String(name))}`;
  return {
    inputs: ["name", "policy"],
    replaceOn: ["name"],
    needsProvider: true,
    async create(inputs, context) {
      await clients.get(context).write(path(inputs["name"]), { policy: inputs["policy"] ?? "" }, "PUT");
      return { id: text(inputs["name"]), outputs: {} };
    },
    async update(_existing, inputs, _changes, context) {
      await clients.get(context).write(path(inputs["name"]), { policy: inputs["policy"] ?? "" }, "PUT");
      return {};
    },
    remove: ({ inputs }, context) => clients.get(context).remove(path(inputs["name"])),
  };
}
