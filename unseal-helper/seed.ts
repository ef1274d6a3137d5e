import { EXIT, UserError } from "../errors.ts";
import type { AppRoleCredentials } from "../keys/derive.ts";
import { restoreVault } from "./restore.ts";
import type { SeedManifest } from "./seed-manifest.ts";
import type { Epoch } from "./share-file.ts";
import type { SnapshotTransfer } from "./snapshot-transfer.ts";
import type { Tools } from "./unseal.ts";
import { waitForVault } from "./waiting.ts";

/** A snapshot of Vault that a rebuild has brought onto the VM, before there was a Vault to put it into. */
export interface Seed {
  /** `undefined` where there is none, or none any more */
  read(): Promise<SeedManifest | undefined>;
  /**
   * Brings it here, proven whole and the one that the manifest describes.
   *
   * @returns path of a file
   */
  fetch(manifest: SeedManifest): Promise<string>;
  /** forgets it: it would be old by the time somebody empties Vault */
  remove(): Promise<void>;
  readonly transfer: SnapshotTransfer;
  readonly appRole: (name: string) => AppRoleCredentials;
}

/**
 * Puts the snapshot of a rebuild into Vault, where Vault is empty or an earlier attempt was cut short.
 *
 * @returns whether it did
 * @throws UserError (refused) where the share file does not have the keys; as {@link restoreVault}
 */
export async function restoreSeed(tools: Tools, seed: Seed): Promise<boolean> {
  const { effects, store } = tools;
  const manifest = await seed.read();
  if (manifest === undefined) return false;
  // An earlier run may have stopped between stopping and starting the container, when the marker was gone already.
  await effects.startVault();
  if (!(await isWanted(tools))) {
    await seed.remove();
    return false;
  }
  const epochs = candidates(store.epochs, manifest);
  effects.log(`vault: restoring the snapshot of ${manifest.taken} that the rebuild has brought`);
  const path = await seed.fetch(manifest);
  await store.reinstate(await restoreWithOneOf(tools, seed, path, epochs));
  await seed.remove();
  return true;
}

/** What {@link restoreSeed} would restore. */
export async function wantedSeed(tools: Tools, seed: Seed): Promise<SeedManifest | undefined> {
  const manifest = await seed.read();
  if (manifest === undefined || !(await isWanted(tools))) return undefined;
  candidates(tools.store.epochs, manifest);
  return manifest;
}

async function isWanted({ effects, vault, store }: Tools): Promise<boolean> {
  // Somebody has given up the old keys, and a new initialisation is on its way.
  if (store.epoch !== undefined && store.epoch.phase !== "COMMITTED") return false;
  if ((await effects.readMarker())?.endsWith(" RESTORE")) return true;
  return !(await waitForVault(vault, effects)).initialized;
}

/** @returns the id of the epoch whose shares open what was restored */
async function restoreWithOneOf(
  tools: Tools,
  seed: Seed,
  path: string,
  [epoch, ...others]: readonly Epoch[],
): Promise<string> {
  if (epoch === undefined) throw new Error("no epoch");
  const shares = () => Promise.resolve(tools.store.shares(epoch));
  try {
    const { transfer, appRole } = seed;
    await restoreVault(tools, { path, epoch, canary: null, shares, appRole, transfer });
    return epoch.id;
  } catch (error) {
    const isWrongKey = error instanceof UserError && error.exitCode === EXIT.refused;
    if (!isWrongKey || others.length === 0) throw error;
    return await restoreWithOneOf(tools, seed, path, others);
  }
}

/**
 * Epochs whose shares may open the snapshot, the likeliest first. The backup names an epoch by a marker that a rekey
 * does not move, so that those with which the same Vault was rekeyed later come into question as well.
 */
function candidates(epochs: readonly Epoch[], { epoch: id, clusterId, n, t }: SeedManifest): Epoch[] {
  const fitting = epochs.filter(
    (epoch) => epoch.phase === "COMMITTED" && epoch.clusterId === clusterId && epoch.n === n && epoch.t === t,
  );
  if (fitting.length > 0) return fitting.toSorted((a, b) => Number(b.id === id) - Number(a.id === id));
  throw new UserError(
    `vault: the backup needs the shares of epoch ${id}, which the share file does not have`,
    "find the version of the share file that has them: git log -- keys; or give Vault's content up: " +
      "npx foundation vault ensure --new-epoch",
    EXIT.refused,
  );
}
