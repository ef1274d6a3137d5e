import { createECDH, createPrivateKey, createPublicKey } from "node:crypto";

/** A private key in PEM and its public half as an OpenSSH line without a comment. */
export interface SshKeyPair {
  readonly privateKeyPem: string;
  readonly publicKey: string;
}

// RFC 8410: PrivateKeyInfo { version 0, id-Ed25519, OCTET STRING of an OCTET STRING of 32 bytes }
const ED25519_PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
// FIPS 186-5, order of the base point of P-256
const P256_ORDER = BigInt("0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");

/** Bytes of input for a P-256 scalar: 128 bits more than the order has, so that the bias is below 2^-128. */
export const P256_INPUT_BYTES = 48;

/** Ed25519 SSH key pair from its 32-byte seed; the private half as PKCS#8. */
export function ed25519KeyPair(seed: Buffer): SshKeyPair {
  const der = Buffer.concat([ED25519_PKCS8_PREFIX, seed]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const { x } = createPublicKey(privateKey).export({ format: "jwk" });
  const blob = sshBlob(Buffer.from("ssh-ed25519"), Buffer.from(x ?? "", "base64url"));
  return {
    privateKeyPem: privateKey.export({ format: "pem", type: "pkcs8" }) as string,
    publicKey: `ssh-ed25519 ${blob}`,
  };
}

/** Public half of a private key in PEM, as `PUBLIC KEY` without a line end after it. */
export function publicKeyPem(privateKeyPem: string): string {
  return createPublicKey(privateKeyPem).export({ format: "pem", type: "spki" }).toString().trimEnd();
}

/** ECDSA P-256 SSH key pair; the private half as in {@link p256PrivateKeyPem}. */
export function ecdsaKeyPair(input: Buffer): SshKeyPair {
  const { publicPoint } = p256(input);
  const blob = sshBlob(Buffer.from("ecdsa-sha2-nistp256"), Buffer.from("nistp256"), publicPoint);
  return { privateKeyPem: p256PrivateKeyPem(input), publicKey: `ecdsa-sha2-nistp256 ${blob}` };
}

/** P-256 private key as `EC PRIVATE KEY` (SEC 1), the form that both Go and Node read. */
export function p256PrivateKeyPem(input: Buffer): string {
  const { scalar, publicPoint } = p256(input);
  const jwk = {
    kty: "EC",
    crv: "P-256",
    d: scalar.toString("base64url"),
    x: publicPoint.subarray(1, 33).toString("base64url"),
    y: publicPoint.subarray(33).toString("base64url"),
  };
  return createPrivateKey({ key: jwk, format: "jwk" }).export({ format: "pem", type: "sec1" }) as string;
}

/** FIPS 186-5 A.2.1: scalar = input mod (n − 1) + 1, and its uncompressed public point. */
function p256(input: Buffer): { scalar: Buffer; publicPoint: Buffer } {
  if (input.length !== P256_INPUT_BYTES) throw new Error(`a P-256 scalar needs ${P256_INPUT_BYTES} bytes of input`);
  const value = (BigInt(`0x${input.toString("hex")}`) % (P256_ORDER - 1n)) + 1n;
  const scalar = Buffer.from(value.toString(16).padStart(64, "0"), "hex");
  const curve = createECDH("prime256v1");
  curve.setPrivateKey(scalar);
  return { scalar, publicPoint: curve.getPublicKey() };
}

/** RFC 4251 strings, one after another, in base64. */
function sshBlob(...fields: Buffer[]): string {
  const parts = fields.flatMap((field) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(field.length);
    return [length, field];
  });
  return Buffer.concat(parts).toString("base64");
}
