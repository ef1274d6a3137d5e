import { EXIT, UserError } from "../errors.ts";
import type { Effects } from "./effects.ts";
import { tooFew } from "./share-collection.ts";
import type { Epoch } from "./share-file.ts";
import type { ShareStore } from "./share-store.ts";
import type { SealStatus, VaultClient } from "./vault-client.ts";
import { waitForActive, waitForVault } from "./waiting.ts";

const ATTEMPTS = 2;
const ENSURE = "npx foundation vault ensure";

/** What opening needs of the world, beside Vault. */
export type OpeningEffects = Pick<Effects, "sleep" | "monotonicNow" | "log">;

/** What a command works with. */
export interface Tools {
  readonly effects: Effects;
  readonly vault: VaultClient;
  readonly store: ShareStore;
}

/** Where the shares of an epoch come from: the file, or sheets as well. At least as many as open Vault. */
export type ShareSource = (epoch: Epoch) => Promise<Buffer[]>;

/** Result of {@link unsealVault}. */
export interface Unsealed {
  /** false where it was open already */
  readonly changed: boolean;
  readonly clusterId: string;
  readonly version: string;
}

/** What {@link openVault} needs to know of a set of shares. */
export type Lock = Pick<Epoch, "id" | "n" | "t" | "clusterId">;

/** The shares that are in the file, be they too few. */
export function sharesInFile(store: ShareStore): ShareSource {
  return (epoch) => Promise.resolve(store.shares(epoch));
}

/**
 * Opens Vault with the shares of the epoch in force and waits until it takes requests.
 *
 * @param shares the shares to enter, asked for only where Vault is sealed; without it those in the file
 * @throws UserError (uninitialised, halfDone, refused) where it must not or cannot be opened; (passphrase) for too few
 */
export async function unsealVault(
  { effects, vault, store }: Tools,
  shares: ShareSource = sharesInFile(store),
): Promise<Unsealed> {
  const status = await waitForVault(vault, effects);
  const epoch = epochOf(store, status);
  const open = (lock: Epoch): Promise<Unsealed> => openFrom({ effects, vault }, status, lock, () => shares(lock));
  return status.sealed && store.pendingRekey ? await openEither(store, open) : await open(epoch);
}

/**
 * Opens a Vault whose rekey was cut short: with the old shares, else with the new ones; the file learns which.
 * Sealing ends a rekey in Vault, so that from here on only one of the sets is of use.
 */
async function openEither(store: ShareStore, open: (lock: Epoch) => Promise<Unsealed>): Promise<Unsealed> {
  const [old, fresh] = [store.epoch as Epoch, store.pendingRekey as Epoch];
  try {
    const result = await open(old);
    await store.endRekey(false);
    return result;
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode !== EXIT.refused) throw error;
    const result = await open({ ...fresh, clusterId: old.clusterId });
    await store.endRekey(true);
    return result;
  }
}

/**
 * Opens Vault with a set of shares.
 *
 * Safe to run again and beside another operator: shares entered before are dropped first, nothing is entered
 * into a Vault with other numbers of shares, and the identity of what was opened is compared.
 *
 * @throws UserError (uninitialised, refused) where it must not or cannot be opened; (passphrase) for too few shares
 */
export async function openVault(
  { effects, vault }: Pick<Tools, "vault"> & { effects: OpeningEffects },
  lock: Lock,
  shares: () => Promise<Buffer[]>,
): Promise<Unsealed> {
  return await openFrom({ effects, vault }, await waitForVault(vault, effects), lock, shares);
}

async function openFrom(
  { effects, vault }: Pick<Tools, "vault"> & { effects: OpeningEffects },
  before: SealStatus,
  lock: Lock,
  shares: () => Promise<Buffer[]>,
): Promise<Unsealed> {
  requireSameNumbers(before, lock);
  if (before.sealed) await enterShares({ effects, vault }, lock, await shares());
  await waitForActive(vault, effects);
  const { clusterId, version } = await vault.sealStatus();
  if (clusterId === null)
    throw new UserError("vault: unsealed, but has no cluster id", "run the same command again", EXIT.failed);
  if (lock.clusterId !== null && lock.clusterId !== clusterId) {
    throw foreign(`its cluster id is ${clusterId}, the share file says ${lock.clusterId}`);
  }
  return { changed: before.sealed, clusterId, version };
}

/** The error for a Vault that was not initialised with this share file. */
export function foreign(what: string): UserError {
  return new UserError(
    `vault: not the one this share file belongs to: ${what}`,
    "nothing was changed; check the host, and that the share file is the newest committed one (git pull)",
    EXIT.refused,
  );
}

function epochOf(store: ShareStore, status: SealStatus): Epoch {
  const { epoch } = store;
  if (!status.initialized) throw uninitialised();
  if (epoch === undefined) throw foreign("it is initialised, the share file has no shares");
  if (epoch.phase === "INTENT") {
    throw new UserError(`vault: initialisation of epoch ${epoch.id} stopped half-way`, ENSURE, EXIT.halfDone);
  }
  return epoch;
}

/** Shares are never shown to a Vault that is visibly another one. */
function requireSameNumbers(status: SealStatus, lock: Lock): void {
  if (!status.initialized) throw uninitialised();
  if (status.n !== lock.n || status.t !== lock.t) {
    throw foreign(`it wants ${status.t} of ${status.n} shares, epoch ${lock.id} has ${lock.t} of ${lock.n}`);
  }
}

function uninitialised(): UserError {
  return new UserError("vault: never initialised", ENSURE, EXIT.uninitialised);
}

async function enterShares(
  { effects, vault }: Pick<Tools, "vault"> & { effects: OpeningEffects },
  lock: Lock,
  shares: readonly Buffer[],
): Promise<void> {
  if (shares.length < lock.t) throw tooFew(shares.length, lock.t);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (await enterOnce(vault, shares, lock.t)) return;
    if (attempt < ATTEMPTS) effects.log("vault: the shares were not taken as sent; trying once more");
  }
  throw new UserError(
    `vault: the shares of epoch ${lock.id} do not open it`,
    "if somebody else is entering shares, let one of you finish; else this Vault has other keys: git pull, or npx foundation vault restore FILE",
    EXIT.refused,
  );
}

/** True when open; false where Vault refused, or where somebody else reset or entered shares in between. */
async function enterOnce(vault: VaultClient, shares: readonly Buffer[], threshold: number): Promise<boolean> {
  await vault.resetUnseal();
  let nonce: string | undefined;
  for (const [index, share] of shares.slice(0, threshold).entries()) {
    const status = await vault.enterShare(share);
    if (status === undefined) break;
    if (!status.sealed) return true;
    if (status.progress !== index + 1 || (nonce ?? status.nonce) !== status.nonce) break;
    nonce = status.nonce;
  }
  // Another operator may have finished it meanwhile.
  return !(await vault.sealStatus()).sealed;
}
