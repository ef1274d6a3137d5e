import type { AppRoleCredentials } from "../keys/derive.ts";
import type { VaultClient } from "./vault-client.ts";

/**
 * Runs `work` with a token of an AppRole, which is revoked afterwards, however `work` ends.
 *
 * @returns `undefined` where the AppRole does not accept its credentials
 */
export async function withLogin<T>(
  vault: VaultClient,
  { roleId, secretId }: AppRoleCredentials,
  work: (token: string) => Promise<T>,
): Promise<T | undefined> {
  const token = await vault.logIn(roleId, secretId);
  if (token === undefined) return undefined;
  let result: T;
  try {
    result = await work(token);
  } catch (error) {
    // The reason for the failure counts, not that Vault could not be told as well.
    await vault.revokeSelf(token).catch(() => undefined);
    throw error;
  }
  await vault.revokeSelf(token);
  return result;
}
