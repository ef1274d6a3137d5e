import { createPrivateKey, createPublicKey, webcrypto } from "node:crypto";
import { UserError } from "../../../errors.ts";

/** An elliptic-curve key pair as the X.509 library takes it. */
export interface KeyPair {
  readonly privateKey: webcrypto.CryptoKey;
  readonly publicKey: webcrypto.CryptoKey;
  /** hash that goes with the curve */
  readonly hash: string;
}

const CURVES: Readonly<Record<string, { readonly namedCurve: string; readonly hash: string }>> = {
  prime256v1: { namedCurve: "P-256", hash: "SHA-256" },
  secp384r1: { namedCurve: "P-384", hash: "SHA-384" },
  secp521r1: { namedCurve: "P-521", hash: "SHA-512" },
};

/** Name that the real provider gives to elliptic-curve keys. */
export const KEY_ALGORITHM = "ECDSA";

/**
 * Reads a private key in PEM, SEC 1 or PKCS #8.
 *
 * @param where for messages; the key itself is never in one
 * @throws UserError when it is not an elliptic-curve key
 */
export async function readKeyPair(pem: string, where: string): Promise<KeyPair> {
  const { key, curve } = parseKey(pem, where);
  const algorithm = { name: "ECDSA", namedCurve: curve.namedCurve };
  const { subtle } = webcrypto;
  const pkcs8 = key.export({ type: "pkcs8", format: "der" });
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  return {
    privateKey: await subtle.importKey("pkcs8", new Uint8Array(pkcs8), algorithm, false, ["sign"]),
    publicKey: await subtle.importKey("spki", new Uint8Array(spki), algorithm, true, ["verify"]),
    hash: curve.hash,
  };
}

function parseKey(pem: string, where: string) {
  let key;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw notUsable(`${where}: not a private key in PEM`);
  }
  const curve = CURVES[key.asymmetricKeyDetails?.namedCurve ?? ""];
  if (!curve) throw notUsable(`${where}: a key of the kind ${key.asymmetricKeyType ?? "unknown"}, not on a NIST curve`);
  return { key, curve };
}

function notUsable(message: string): UserError {
  return new UserError(message, "give an elliptic-curve key (P-256, P-384 or P-521) as SEC 1 or PKCS #8");
}
