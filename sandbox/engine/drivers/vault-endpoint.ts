import { text, type Driver } from "../driver.ts";
import type { Properties } from "../values.ts";
import type { VaultClients } from "./vault-client.ts";
import { requireObject } from "./vault-json.ts";

/** vault:generic/endpoint:Endpoint: writes to any path, whether there is something or not. Nothing is ever read back. */
export function vaultEndpoint(clients: VaultClients): Driver {
  const body = (inputs: Properties): Properties => JSON.parse(text(inputs["dataJson"])) as Properties;
  return {
    inputs: ["path", "dataJson", "disableRead", "disableDelete"],
    replaceOn: ["path"],
    secretOutputs: ["dataJson"],
    needsProvider: true,
    check: requireObject,
    async create(inputs, context) {
      const path = text(inputs["path"]);
      await clients.get(context).write(path, body(inputs));
      return { id: path, outputs: {} };
    },
    async update(existing, inputs, _changes, context) {
      await clients.get(context).write(text(inputs["path"]), body(inputs));
      return existing.outputs;
    },
    remove: async ({ inputs }, context) => {
      if (inputs["disableDelete"] !== true) await clients.get(context).remove(text(inputs["path"]));
    },
  };
}
