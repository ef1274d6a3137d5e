import { issueAdminToken, revoke } from "./root-token.ts";
import { type ShareSource, sharesInFile, type Tools, unsealVault } from "./unseal.ts";

/**
 * Runs `work` with a token that has all rights, which is dead afterwards, however `work` ends.
 *
 * @param seconds life of the token, should this program be killed before it can revoke it
 */
export async function breakGlass<T>(
  tools: Tools,
  seconds: number,
  work: (token: string) => Promise<T>,
  shares: ShareSource = sharesInFile(tools.store),
): Promise<T> {
  await tools.store.load();
  await unsealVault(tools, shares);
  const token = await issueAdminToken(tools, seconds, shares);
  try {
    return await work(token);
  } finally {
    await revoke(tools.vault, token);
  }
}
