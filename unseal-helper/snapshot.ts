import { rename, unlink } from "node:fs/promises";
import { EXIT, UserError } from "../errors.ts";
import { writeFileAtomically } from "../keys/atomic-file.ts";
import type { AppRoleCredentials } from "../keys/derive.ts";
import { chooseCanary } from "./canary.ts";
import { verifySnapshot } from "./snapshot-archive.ts";
import { manifestPath, serialiseManifest, type SnapshotManifest } from "./snapshot-manifest.ts";
import type { SnapshotTransfer } from "./snapshot-transfer.ts";
import type { Tools } from "./unseal.ts";

/** AppRoles that the Pulumi program makes: one that may take snapshots, one that may read the KV store. */
export const BACKUP_ROLE = "backup";
export const READER_ROLE = "operator";

/** What {@link takeSnapshot} needs beside Vault. */
export interface SnapshotArgs {
  readonly path: string;
  readonly appRole: (name: string) => AppRoleCredentials;
  readonly transfer: SnapshotTransfer;
}

/**
 * Writes a snapshot of Vault and its manifest. The file has its name only once it is proven whole.
 *
 * @throws UserError (attention) where Vault is sealed; (failed) where the snapshot is not whole
 */
export async function takeSnapshot({ effects, vault, store }: Tools, args: SnapshotArgs): Promise<SnapshotManifest> {
  const { path, appRole } = args;
  const { epoch } = store;
  const status = await vault.sealStatus();
  if (status.sealed || status.clusterId === null || epoch === undefined) {
    throw new UserError("vault: sealed; a snapshot needs it open", "npx foundation vault unseal", EXIT.attention);
  }
  if (status.clusterId !== epoch.clusterId) {
    throw new UserError("vault: not the one of this share file", "git pull; or check the host", EXIT.refused);
  }
  const part = `${path}.part`;
  await unlink(part).catch(() => undefined);
  const canary = await chooseCanary(vault, appRole(READER_ROLE), store.snapshotKey());
  try {
    await download({ effects, vault, store }, part, args);
    const { bytes, sha256 } = await verifySnapshot(part);
    const manifest: SnapshotManifest = {
      version: 1,
      stack: store.stack,
      epoch: epoch.id,
      n: epoch.n,
      t: epoch.t,
      clusterId: status.clusterId,
      vaultVersion: status.version,
      created: effects.now().toISOString(),
      bytes,
      snapshotSha256: sha256,
      canary: canary ?? null,
    };
    await writeFileAtomically(manifestPath(path), serialiseManifest(manifest, store.snapshotKey()), true);
    await rename(part, path);
    return manifest;
  } catch (error) {
    await unlink(part).catch(() => undefined);
    throw error;
  }
}

async function download({ vault }: Tools, part: string, { appRole, transfer }: SnapshotArgs): Promise<void> {
  const { roleId, secretId } = appRole(BACKUP_ROLE);
  const token = await vault.logIn(roleId, secretId);
  if (token === undefined) {
    throw new UserError(`vault: there is no AppRole ${BACKUP_ROLE} yet`, "pulumi up", EXIT.failed);
  }
  try {
    await transfer.download(token, part);
  } finally {
    await vault.revokeSelf(token);
  }
}
