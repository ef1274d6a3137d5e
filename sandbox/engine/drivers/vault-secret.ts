import { text, type Driver } from "../driver.ts";
import type { Properties } from "../values.ts";
import type { VaultClients } from "./vault-client.ts";
import { requireObject } from "./vault-json.ts";

/** vault:kv/secretV2:SecretV2. Every change is a new version; nothing is ever read back. */
export function vaultSecret(clients: VaultClients): Driver {
  return {
    inputs: ["mount", "name", "dataJson", "disableRead", "deleteAllVersions"],
    replaceOn: ["mount", "name"],
    secretOutputs: ["dataJson"],
    needsProvider: true,
    check: requireObject,
    async create(inputs, context) {
      const path = secretPath(inputs, "data");
      await clients.get(context).write(path, body(inputs));
      return { id: path, outputs: { path } };
    },
    async update(existing, inputs, changes, context) {
      const concernsData = changes.length === 0 || changes.some(({ path }) => path === "dataJson");
      if (concernsData) await clients.get(context).write(secretPath(inputs, "data"), body(inputs));
      return existing.outputs;
    },
    remove: ({ inputs }, context) =>
      clients.get(context).remove(secretPath(inputs, inputs["deleteAllVersions"] === true ? "metadata" : "data")),
  };
}

function body(inputs: Properties): Properties {
  return { data: JSON.parse(text(inputs["dataJson"])) as Properties };
}

function secretPath(inputs: Properties, kind: "data" | "metadata"): string {
  return `${text(inputs["mount"])}/${kind}/${text(inputs["name"])}`;
}
