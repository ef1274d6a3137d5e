import type { AppRoleCredentials } from "../keys/derive.ts";
import { asProgram } from "./bootstrap.ts";
import type { Readers } from "./groundwork.ts";
import type { Tools } from "./unseal.ts";
import type { VaultClient } from "./vault-client.ts";

/** First part of the names that consumers' AppRoles and policies have, and nothing else has. */
const CONSUMER = "consumer-";

/**
 * Takes the AppRole and the policy of every consumer that is none of the readers. The program deletes those of which it
 * knows; of somebody who was removed while its state was lost, or whom a restore has brought back, it knows nothing.
 *
 * @returns the names, sorted
 */
export async function removeFormerConsumers(
  { vault, effects }: Pick<Tools, "vault" | "effects">,
  credentials: AppRoleCredentials,
  readers: Readers,
): Promise<string[]> {
  return await asProgram(vault, credentials, async (token) => {
    const former = await list(vault, token, readers);
    for (const name of former) {
      effects.log(`vault: taking the AppRole ${name}`);
      // The policy first: a token that was issued before is worth nothing without it.
      await vault.call({ method: "DELETE", path: `sys/policies/acl/${name}`, token });
      await vault.call({ method: "DELETE", path: `auth/approle/role/${name}`, token });
    }
    return former;
  });
}

/** Whom {@link removeFormerConsumers} would take. */
export async function findFormerConsumers(
  { vault }: Pick<Tools, "vault">,
  credentials: AppRoleCredentials,
  readers: Readers,
): Promise<string[]> {
  return await asProgram(vault, credentials, (token) => list(vault, token, readers));
}

async function list(vault: VaultClient, token: string, readers: Readers): Promise<string[]> {
  const found = (await vault.read(token, "auth/approle/role?list=true")) as { data?: { keys?: string[] } } | undefined;
  const names = found?.data?.keys ?? [];
  return names.filter((name) => name.startsWith(CONSUMER) && !Object.hasOwn(readers, name)).sort();
}
