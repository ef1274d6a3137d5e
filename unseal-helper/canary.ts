import type { AppRoleCredentials } from "../keys/derive.ts";
import { STORE } from "./groundwork.ts";
import { withLogin } from "./login.ts";
import { type Canary, canaryMac } from "./snapshot-manifest.ts";
import type { VaultClient } from "./vault-client.ts";

const DEPTH_LIMIT = 20;

/**
 * The first value of the KV store, as a canary.
 *
 * @param reader AppRole that may read the store
 * @returns `undefined` where the role, the store or a value is not there
 */
export async function chooseCanary(
  vault: VaultClient,
  reader: AppRoleCredentials,
  key: Buffer,
): Promise<Canary | undefined> {
  return await withLogin(vault, reader, async (token) => {
    const path = await firstPath(vault, token);
    const data = path === undefined ? undefined : await readValue(vault, token, path);
    return path === undefined || data === undefined ? undefined : { path, mac: canaryMac(key, path, data) };
  });
}

/** Whether the value is there and is the same. */
export async function isCanaryAlive(
  vault: VaultClient,
  reader: AppRoleCredentials,
  key: Buffer,
  canary: Canary,
): Promise<boolean> {
  const mac = await withLogin(vault, reader, async (token) => {
    const data = await readValue(vault, token, canary.path);
    return data === undefined ? undefined : canaryMac(key, canary.path, data);
  });
  return mac === canary.mac;
}

async function firstPath(vault: VaultClient, token: string): Promise<string | undefined> {
  let path = "";
  for (let depth = 0; depth < DEPTH_LIMIT; depth++) {
    const answer = await vault.read(token, `${STORE}/metadata/${path}?list=true`);
    const { keys } = (answer?.["data"] ?? {}) as { keys?: string[] };
    const [first] = keys ?? [];
    if (first === undefined) return undefined;
    path += first;
    if (!first.endsWith("/")) return path;
  }
  return undefined;
}

async function readValue(vault: VaultClient, token: string, path: string): Promise<unknown> {
  const answer = await vault.read(token, `${STORE}/data/${path}`);
  return (answer?.["data"] as { data?: unknown } | undefined)?.data;
}
