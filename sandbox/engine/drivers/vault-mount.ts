import { setTimeout as sleep } from "node:timers/promises";
import { EXIT, UserError } from "../../../errors.ts";
import { text, type Driver, type DriverContext, type Existing } from "../driver.ts";
import type { Properties } from "../values.ts";
import { VaultError, type VaultClient, type VaultClients } from "./vault-client.ts";

/** What is enabled at a path of Vault: a secret engine or an auth method. The two differ in the endpoint. */
interface Kind {
  readonly endpoint: "sys/mounts" | "sys/auth";
  readonly what: string;
  /** prefix of paths where both kinds are spoken of */
  readonly prefix: "" | "auth/";
}

const SECRET_ENGINE: Kind = { endpoint: "sys/mounts", what: "secret engine", prefix: "" };
const AUTH_METHOD: Kind = { endpoint: "sys/auth", what: "auth method", prefix: "auth/" };

/** vault:index/mount:Mount. */
export function vaultMount(clients: VaultClients): Driver {
  return {
    ...enabled(SECRET_ENGINE, clients),
    inputs: ["path", "type", "description", "options", "local", "defaultLeaseTtlSeconds", "maxLeaseTtlSeconds"],
  };
}

/** vault:index/authBackend:AuthBackend. */
export function vaultAuthBackend(clients: VaultClients): Driver {
  return { ...enabled(AUTH_METHOD, clients), inputs: ["path", "type", "description", "local"] };
}

/** vault:index/audit:Audit. */
export function vaultAudit(clients: VaultClients): Driver {
  const inputs = ["path", "type", "description", "options", "local"];
  return {
    inputs,
    replaceOn: inputs,
    needsProvider: true,
    collides: (before, after) => pathOf(before) === pathOf(after),
    async create(args, context) {
      const client = clients.get(context);
      const path = pathOf(args);
      const devices = (await client.read("sys/audit")) ?? {};
      const existing = devices[`${path}/`] as Properties | undefined;
      if (existing) requireResumed("audit device", path, existing, args, context);
      else await client.write(`sys/audit/${path}`, enableBody(args), "PUT");
      return { id: path, outputs: { path } };
    },
    remove: (existing, context) => clients.get(context).remove(`sys/audit/${existing.id || pathOf(existing.inputs)}`),
  };
}

function enabled(kind: Kind, clients: VaultClients): Omit<Driver, "inputs"> {
  return {
    replaceOn: ["type", "local"],
    needsProvider: true,
    collides: (before, after) => pathOf(before) === pathOf(after),
    async create(inputs, context) {
      const client = clients.get(context);
      const path = pathOf(inputs);
      const existing = await readEnabled(client, kind, path);
      if (existing) {
        requireResumed(kind.what, path, existing, inputs, context);
        await client.write(`${kind.endpoint}/${path}/tune`, tuneBody(inputs));
      } else await client.write(`${kind.endpoint}/${path}`, { ...enableBody(inputs), config: leases(inputs) });
      return { id: path, outputs: await describe(client, kind, path) };
    },
    async update({ id }: Existing, inputs, _changes, context) {
      const client = clients.get(context);
      const path = pathOf(inputs);
      // the id keeps the first path, as the resource keeps its id; where it is now is an output
      if (!(await readEnabled(client, kind, path))) await remount(client, kind, id, path);
      await client.write(`${kind.endpoint}/${path}/tune`, tuneBody(inputs));
      return describe(client, kind, path);
    },
    remove: ({ inputs }, context) => clients.get(context).remove(`${kind.endpoint}/${pathOf(inputs)}`),
  };
}

/** Moving takes Vault a while for a large store; it answers with a number under which its progress can be seen. */
async function remount(client: VaultClient, kind: Kind, from: string, to: string): Promise<void> {
  const moved = await client.write("sys/remount", { from: `${kind.prefix}${from}`, to: `${kind.prefix}${to}` });
  for (;;) {
    const status = await client.read(`sys/remount/status/${text(moved["migration_id"])}`);
    const state = text((status?.["migration_info"] as Properties | undefined)?.["status"]);
    if (state === "success") return;
    if (state === "failure")
      throw new UserError(`vault: moving ${from} to ${to} failed`, "see Vault's log: docker logs vault");
    await sleep(500);
  }
}

async function describe(client: VaultClient, kind: Kind, path: string): Promise<Properties> {
  const found = (await readEnabled(client, kind, path)) ?? {};
  return { accessor: found["accessor"] ?? "", path };
}

async function readEnabled(client: VaultClient, kind: Kind, path: string): Promise<Properties | undefined> {
  return client.read(`${kind.endpoint}/${path}`).catch((error: unknown) => {
    // Vault answers 400 where another API would answer 404
    if (error instanceof VaultError && /^No (secret engine mount|auth engine) at/.test(error.answers)) return undefined;
    throw error;
  });
}

/**
 * The real provider fails on a path that is in use. So does this one, unless a former run of its own was interrupted here:
 * what works in the sandbox has to work in production.
 */
function requireResumed(
  what: string,
  path: string,
  existing: Properties,
  inputs: Properties,
  context: DriverContext,
): void {
  const type = text(inputs["type"]).replace(/^kv-v2$/, "kv");
  if (context.resumed && existing["type"] === type) return;
  throw new UserError(
    `${context.label}: the path ${path} is in use by the ${what} ${text(existing["type"])}`,
    "bring back the state that knows it; without one, disable it in Vault if nobody needs what is in it",
    EXIT.refused,
  );
}

function pathOf(inputs: Properties): string {
  return (text(inputs["path"]) || text(inputs["type"])).replace(/^\/+|\/+$/g, "");
}

function enableBody(inputs: Properties): Properties {
  return {
    type: inputs["type"] ?? "",
    description: inputs["description"] ?? "",
    options: inputs["options"] ?? {},
    local: inputs["local"] ?? false,
  };
}

function tuneBody(inputs: Properties): Properties {
  return {
    description: inputs["description"] ?? "",
    ...leases(inputs),
    ...(inputs["options"] ? { options: inputs["options"] } : {}),
  };
}

function leases(inputs: Properties): Properties {
  return {
    default_lease_ttl: `${text(inputs["defaultLeaseTtlSeconds"]) || "0"}s`,
    max_lease_ttl: `${text(inputs["maxLeaseTtlSeconds"]) || "0"}s`,
  };
}
