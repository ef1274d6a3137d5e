import type { Pgp } from "./effects.ts";
import { verifyShares } from "./shamir.ts";
import { SHARE_BYTES } from "./share-file.ts";

/** What `sys/init` hands out once. */
export interface InitSecrets {
  readonly shares: readonly Buffer[];
  readonly rootToken: string;
}

/**
 * Opens the answer of `sys/init` and proves it complete: every share is there, and each t of them give the same key.
 *
 * @param text JSON whose values are encrypted
 * @returns `undefined` where it was cut short, damaged or encrypted under another key
 */
export async function openInitResponse(
  pgp: Pgp,
  privateKey: Buffer,
  text: string,
  { n, t }: { n: number; t: number },
): Promise<InitSecrets | undefined> {
  try {
    const { keys_base64: keys, root_token: token } = JSON.parse(text) as Record<string, unknown>;
    if (!Array.isArray(keys) || keys.length !== n || typeof token !== "string") return undefined;
    const open = (value: unknown): Promise<Buffer> => pgp.decrypt(privateKey, Buffer.from(String(value), "base64"));
    const shares: Buffer[] = [];
    // Vault encrypts a share's text, which is hexadecimal.
    for (const key of keys) shares.push(Buffer.from((await open(key)).toString(), "hex"));
    if (shares.some((share) => share.length !== SHARE_BYTES)) return undefined;
    verifyShares(shares, t);
    return { shares, rootToken: (await open(token)).toString() };
  } catch {
    return undefined;
  }
}
