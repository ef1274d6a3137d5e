import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Bytes that sealing adds to a secret: nonce and tag. */
export const SEALED_OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES;

/**
 * Seals a secret with AES-256-GCM.
 *
 * @param key 32 bytes
 * @param context authenticated beside the secret, so that a box moved to another place does not open
 * @returns base64 of nonce (12), ciphertext and tag (16)
 */
export function sealSecret(key: Buffer, context: string, secret: Buffer): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(context));
  return Buffer.concat([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()]).toString("base64");
}

/** Opens what {@link sealSecret} returned; `undefined` where key, context or content is not the one that was sealed. */
export function openSecret(key: Buffer, context: string, sealed: string): Buffer | undefined {
  const box = Buffer.from(sealed, "base64");
  if (box.length < SEALED_OVERHEAD_BYTES) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", key, box.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(box.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(box.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}
