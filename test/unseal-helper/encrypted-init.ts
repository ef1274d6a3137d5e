import type { VaultRequest, VaultResponse } from "../../unseal-helper/effects.ts";
import type { FakeVault } from "./fake-vault.ts";

/** Encrypts `plaintext` under a public key in base64; the result in base64. */
export type Encrypt = (publicKey: string, plaintext: string) => Promise<string>;

/** `sys/init` with PGP keys, as Vault answers it: each share as encrypted hexadecimal text, the token as it is. */
export async function answerEncrypted(
  vault: FakeVault,
  request: VaultRequest,
  encrypt: Encrypt,
): Promise<VaultResponse> {
  const { pgp_keys: keys = [], root_token_pgp_key: tokenKey = "" } = (request.body ?? {}) as {
    pgp_keys?: string[];
    root_token_pgp_key?: string;
  };
  const { status, body } = vault.answer(request);
  if (status !== 200) return { status, body };
  const { keys_base64: shares, root_token: token } = body as { keys_base64: string[]; root_token: string };
  const hex = shares.map((share) => Buffer.from(share, "base64").toString("hex"));
  return {
    status,
    body: {
      keys_base64: await Promise.all(hex.map((share, at) => encrypt(keys[at] ?? "", share))),
      root_token: await encrypt(tokenKey, token),
    },
  };
}
