import { EXIT, UserError } from "../errors.ts";
import type { VaultClient } from "./vault-client.ts";

/** New shares that are in force only when they have been verified. */
export interface NewShares {
  readonly shares: readonly Buffer[];
  /** goes with each share that verifies them */
  readonly nonce: string;
}

const INIT = "sys/rekey/init";

/** Ends what Vault knows of a rekey; the shares in force stay so. */
export async function cancelRekey(vault: VaultClient): Promise<void> {
  const { started, nonce } = await vault.call({ method: "GET", path: INIT });
  // Vault wants to know that we know which one it is.
  if (started === true) await vault.call({ method: "DELETE", path: INIT, body: { nonce } });
}

/**
 * Asks for new shares with the old ones.
 *
 * @returns `undefined` where Vault does not take the old ones for its own; the attempt is ended then
 */
export async function requestShares(
  vault: VaultClient,
  { n, t }: { n: number; t: number },
  old: readonly Buffer[],
): Promise<NewShares | undefined> {
  const body = { secret_shares: n, secret_threshold: t, require_verification: true };
  const { nonce } = await vault.call({ method: "PUT", path: INIT, body });
  const answer = await enter(vault, "sys/rekey/update", String(nonce), old);
  if (answer === undefined) {
    await cancelRekey(vault);
    return undefined;
  }
  const { keys_base64: keys, verification_nonce: verification } = answer;
  if (!Array.isArray(keys) || keys.length !== n || typeof verification !== "string") throw unexpected();
  return { shares: keys.map((key) => Buffer.from(String(key), "base64")), nonce: verification };
}

/** Shows Vault the new shares, which puts them in force. */
export async function verifyShares(vault: VaultClient, nonce: string, fresh: readonly Buffer[]): Promise<void> {
  const answer = await enter(vault, "sys/rekey/verify", nonce, fresh);
  if (answer?.["complete"] !== true) throw unexpected();
}

/** The answer to the last share; `undefined` where Vault refuses one. */
async function enter(vault: VaultClient, path: string, nonce: string, shares: readonly Buffer[]) {
  let answer: Readonly<Record<string, unknown>> = {};
  for (const share of shares) {
    const body = { key: share.toString("base64"), nonce };
    const given = await vault.tryCall({ method: "PUT", path, body });
    if (given === undefined) return undefined;
    answer = given;
    if (answer["complete"] === true) break;
  }
  return answer;
}

function unexpected(): UserError {
  return new UserError("vault: sys/rekey: not an answer of Vault", "run the same command again", EXIT.failed);
}
