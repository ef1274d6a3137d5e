import {
  ecdsaKeyPair,
  ed25519KeyPair,
  P256_INPUT_BYTES,
  p256PrivateKeyPem,
  publicKeyPem,
  type SshKeyPair,
} from "./key-pairs.ts";
import { deriveBytes, LABELS } from "./labels.ts";

/** Credentials of one Vault AppRole. */
export interface AppRoleCredentials {
  /** UUID, public like a user name */
  readonly roleId: string;
  /** 64 hex characters */
  readonly secretId: string;
}

/** Everything that is derived from the foundation master key, and so comes back after any loss but that of the key. */
export interface DerivedSecrets {
  /** 16 hex characters, public: the label `foundation.owner` */
  readonly ownerId: string;
  readonly forgejo: {
    /** SECRET_KEY, 64 hex characters */
    readonly secretKey: string;
    /** ed25519: PKCS#8 PEM; ecdsa: SEC 1 PEM; public halves as OpenSSH lines */
    readonly sshHostKeys: { readonly ed25519: SshKeyPair; readonly ecdsa: SshKeyPair };
    /** Ed25519, signs the id tokens of jobs: PKCS#8 PEM, and `PUBLIC KEY` PEM without a line end after it */
    readonly idTokenKey: { readonly privateKeyPem: string; readonly publicKeyPem: string };
  };
  /** P-256 private keys of the internal CA as `EC PRIVATE KEY` PEM */
  readonly ca: { readonly rootKeyPem: string; readonly intermediateKeyPem: string };
  readonly restic: { readonly password: string };
  readonly offsite: {
    /** account on the offsite REST server; public, a valid htpasswd name and path segment */
    readonly username: string;
    /** its password, by the id of the VM: a VM that was replaced is locked out by its successor's password */
    readonly password: (vmId: string) => string;
    /** P-256 private key of the server's certificate as `EC PRIVATE KEY` PEM */
    readonly serverKeyPem: string;
  };
  /** 32-byte HMAC key under which delivered files are compared */
  readonly fileFingerprintKey: Buffer;
  /** by the name of the role, e.g. `pulumi` */
  readonly vaultAppRole: (name: string) => AppRoleCredentials;
  /** the 32-byte key that seals one Vault share: by the id of its set (epoch) and its index 1 … n */
  readonly vaultShareKey: (epoch: string, index: number) => Buffer;
}

/**
 * Derives every secret that data at rest depends on or that someone outside trusts.
 *
 * HKDF-SHA256 with the salt `foundation/v1` and the labels of labels.ts; test/keys/vectors.json holds test vectors.
 *
 * @param masterKey the 32 bytes that `openKeyFile` returns; not kept in parts, but the functions below refer to it
 */
export function deriveSecrets(masterKey: Buffer): DerivedSecrets {
  const bytes = (label: string, length = 32): Buffer => deriveBytes(masterKey, label, length);
  const ownerId = bytes(LABELS.ownerId, 8).toString("hex");
  const idTokenKey = ed25519KeyPair(bytes(LABELS.forgejoIdToken)).privateKeyPem;
  return deepFreeze({
    ownerId,
    forgejo: {
      secretKey: bytes(LABELS.forgejoSecretKey).toString("hex"),
      sshHostKeys: {
        ed25519: ed25519KeyPair(bytes(LABELS.forgejoSshEd25519)),
        ecdsa: ecdsaKeyPair(bytes(LABELS.forgejoSshEcdsa, P256_INPUT_BYTES)),
      },
      idTokenKey: { privateKeyPem: idTokenKey, publicKeyPem: publicKeyPem(idTokenKey) },
    },
    ca: {
      rootKeyPem: p256PrivateKeyPem(bytes(LABELS.caRoot, P256_INPUT_BYTES)),
      intermediateKeyPem: p256PrivateKeyPem(bytes(LABELS.caIntermediate, P256_INPUT_BYTES)),
    },
    restic: { password: bytes(LABELS.resticPassword).toString("base64url") },
    offsite: {
      username: `foundation-${ownerId}`,
      password: (vmId: string) => deriveBytes(masterKey, LABELS.offsitePassword, 32, vmId).toString("base64url"),
      serverKeyPem: p256PrivateKeyPem(bytes(LABELS.offsiteServer, P256_INPUT_BYTES)),
    },
    fileFingerprintKey: bytes(LABELS.fileFingerprint),
    vaultAppRole: (name: string) => ({
      roleId: uuid(deriveBytes(masterKey, LABELS.vaultRoleId, 16, name)),
      secretId: deriveBytes(masterKey, LABELS.vaultSecretId, 32, name).toString("hex"),
    }),
    vaultShareKey: (epoch: string, index: number) => deriveBytes(masterKey, LABELS.vaultShare, 32, epoch, index),
  });
}

/** RFC 9562 version 8: the layout of a UUID around bits of one's own. */
function uuid(bytes: Buffer): string {
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function deepFreeze<T extends object>(value: T): T {
  for (const member of Object.values(value)) {
    // A Buffer's bytes cannot be frozen.
    if (typeof member === "object" && !Buffer.isBuffer(member)) deepFreeze(member as object);
  }
  return Object.freeze(value);
}
