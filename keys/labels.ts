import { hkdfSync } from "node:crypto";

/**
 * Every label under which something is derived from the foundation master key, in one place.
 *
 * A label is part of the derived value: changing one changes the secret and locks out whatever depends on it.
 * A new version of a secret gets a new label (`…/v2`) beside the old one. Labels that end in `/` take
 * parameters; the parts that follow cannot contain a slash.
 */
export const LABELS = {
  /** MAC over the key file, so that a change anywhere in it is found */
  keyFileMac: "foundation/key-file/mac/v1",
  /** public id of this foundation: label of its containers, networks and volumes */
  ownerId: "foundation/owner-id/v1",
  /** SECRET_KEY of the forge: encrypts 2FA secrets, mirror credentials and Actions secrets in its database */
  forgejoSecretKey: "foundation/forgejo/secret-key/v1",
  /** 32-byte seed of the forge's Ed25519 SSH host key */
  forgejoSshEd25519: "foundation/forgejo/ssh-host-key/ed25519/v1",
  /** scalar of the forge's ECDSA P-256 SSH host key */
  forgejoSshEcdsa: "foundation/forgejo/ssh-host-key/ecdsa-p256/v1",
  /** 32-byte seed of the Ed25519 key with which the forge signs what its jobs say of themselves */
  forgejoIdToken: "foundation/forgejo/id-token/ed25519/v1",
  /** scalar of the internal CA's P-256 root key, which clients trust across rebuilds */
  caRoot: "foundation/ca/root/v1",
  /** scalar of the internal CA's P-256 intermediate key, which signs the sites' certificates */
  caIntermediate: "foundation/ca/intermediate/v1",
  /** password of the restic repository */
  resticPassword: "foundation/restic/password/v1",
  /** + id of the VM: password of this foundation's account on the offsite REST server, another one for each VM */
  offsitePassword: "foundation/offsite/password/v1/",
  /** scalar of the P-256 key of the offsite REST server's certificate */
  offsiteServer: "foundation/offsite/server-key/v1",
  /** HMAC key under which delivered secret files are compared without revealing them */
  fileFingerprint: "foundation/secret-files/fingerprint/v1",
  /** + role name: the role id of an AppRole */
  vaultRoleId: "foundation/vault/approle/role-id/v1/",
  /** + role name: the secret id of an AppRole */
  vaultSecretId: "foundation/vault/approle/secret-id/v1/",
  /** + epoch / share index: the key that seals one Vault share */
  vaultShare: "foundation/vault/share/v1/",
  /** + epoch / share index: the key of a share's printed fingerprint */
  vaultShareMac: "foundation/vault/share-mac/v1/",
  /** + epoch: the key that seals the initial root token until it has been used and revoked */
  vaultRootToken: "foundation/vault/root-token/v1/",
  /** + epoch: the key that seals the PGP key under which Vault hands out the epoch's shares */
  vaultPgpKey: "foundation/vault/pgp-key/v1/",
  /** MAC over the share file */
  vaultShareFileMac: "foundation/vault/share-file/mac/v1",
  /** MAC over what is kept beside a snapshot of Vault */
  vaultSnapshot: "foundation/vault/snapshot/v1",
} as const;

const SALT = "foundation/v1";

/**
 * HKDF-SHA256 (RFC 5869) over the foundation master key.
 *
 * @param masterKey 32 bytes
 * @param label an entry of {@link LABELS}
 * @param parts what follows a label that ends in `/`
 */
export function deriveBytes(masterKey: Buffer, label: string, length: number, ...parts: (string | number)[]): Buffer {
  if (masterKey.length !== 32) throw new Error(`the master key has ${masterKey.length} bytes, not 32`);
  if (label.endsWith("/") !== parts.length > 0) throw new Error(`label ${label}: wrong number of parts`);
  for (const part of parts) {
    if (!/^[A-Za-z0-9_-]+$/.test(String(part))) throw new Error(`label ${label}: bad part "${part}"`);
  }
  return Buffer.from(hkdfSync("sha256", masterKey, SALT, label + parts.join("/"), length));
}
