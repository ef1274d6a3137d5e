import { EXIT, UserError } from "../errors.ts";
import { damaged } from "../keys/signed-document.ts";
import { verifyShares } from "./shamir.ts";
import { foreign, type Tools } from "./unseal.ts";
import { waitForVault } from "./waiting.ts";

/** What {@link verifyFile} has found in order. */
export interface VerificationReport {
  readonly epochs: readonly {
    readonly id: string;
    readonly phase: string;
    /** shares that open Vault */
    readonly t: number;
    /** shares in the file and on paper */
    readonly file: number;
    readonly paper: number;
  }[];
  readonly vault: "the one of this file" | "sealed, not compared" | "not asked";
}

/**
 * Proves every share in the file: it opens, has its fingerprint, and gives the same key with any others.
 *
 * @throws UserError (keyFile) where one does not; (uninitialised) where there are none; (refused) for another Vault
 */
export async function verifyFile({ effects, store, vault }: Tools, isOffline: boolean): Promise<VerificationReport> {
  await store.load();
  const complete = store.epochs.filter(({ phase }) => phase !== "INTENT");
  const epochs = complete.map((epoch) => {
    const shares = store.shares(epoch);
    if (shares.length >= epoch.t && !belongTogether(shares, epoch.t)) {
      throw damaged(store.path, `the shares of epoch ${epoch.id} do not belong together`);
    }
    const { id, phase, t } = epoch;
    return { id, phase, t, file: shares.length, paper: epoch.shares.length - shares.length };
  });
  const { epoch } = store;
  if (epoch === undefined || epochs.length === 0) {
    throw new UserError("share file: has no shares", "npx foundation vault ensure", EXIT.uninitialised);
  }
  if (isOffline) return { epochs, vault: "not asked" };
  const { sealed, initialized } = await waitForVault(vault, effects);
  if (!initialized) throw foreign("it was never initialised, the share file has shares");
  if (sealed) return { epochs, vault: "sealed, not compared" };
  const { clusterId } = await vault.sealStatus();
  if (clusterId !== epoch.clusterId) {
    throw foreign(`its cluster id is ${clusterId}, the share file says ${epoch.clusterId}`);
  }
  return { epochs, vault: "the one of this file" };
}

function belongTogether(shares: readonly Buffer[], threshold: number): boolean {
  try {
    verifyShares(shares, threshold);
    return true;
  } catch {
    return false;
  }
}
