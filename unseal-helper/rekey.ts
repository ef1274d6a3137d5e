import { EXIT, UserError } from "../errors.ts";
import { withEndpoint } from "./endpoint-window.ts";
import { cancelRekey, requestShares, verifyShares as putInForce } from "./rekey-client.ts";
import { verifyShares } from "./shamir.ts";
import { type Epoch, SHARES, THRESHOLD } from "./share-file.ts";
import { tooFew } from "./share-collection.ts";
import { type ShareSource, sharesInFile, type Tools, unsealVault } from "./unseal.ts";

// Vault hands out new shares and keeps the old ones in force until enough of the new ones come back:
//   old shares → new shares, checked offline → STORED beside the old ones in the file, read back → those that were
//   read back go to Vault → COMMITTED.
// The old shares stay in the file: they open snapshots of their time. A run that stops in between leaves a file with
// both sets, and the next one finds out which of them Vault takes: by asking it for yet another set.

/** What {@link rekey} did. */
export interface RekeyResult {
  /** the epoch that is in force now */
  readonly epoch: string;
  /** the epoch that it replaces, whose sheets open nothing but old snapshots from now on */
  readonly retired: string;
}

/**
 * Replaces the shares of Vault, or finishes a replacement that was cut short.
 *
 * @param shares of the epoch that is replaced
 * @throws UserError (halfDone) where Vault is not bootstrapped; (passphrase) for too few shares; as {@link unsealVault}
 */
export async function rekey(tools: Tools, shares: ShareSource = sharesInFile(tools.store)): Promise<RekeyResult> {
  const { effects, store } = tools;
  return await effects.withHostLock(async () => {
    await store.load();
    if (store.epoch?.phase !== "COMMITTED" || store.epoch.rootToken !== null) {
      throw new UserError("vault: its initialisation is not finished", "npx foundation vault ensure", EXIT.halfDone);
    }
    await unsealVault(tools, shares);
    // Before anything is opened: somebody may have to type them.
    const { epoch } = store;
    const old = (await shares(epoch)).slice(0, epoch.t);
    if (old.length < epoch.t) throw tooFew(old.length, epoch.t);
    return await withEndpoint(tools, "rekey", () => replace(tools, epoch, old));
  });
}

/** What {@link rekey} would do. */
export async function planRekey({ store }: Tools): Promise<string[]> {
  await store.load();
  const { epoch, pendingRekey } = store;
  return [pendingRekey === undefined ? `replace the shares of epoch ${epoch?.id}` : `finish the rekey of ${epoch?.id}`];
}

async function replace(tools: Tools, old: Epoch, oldShares: readonly Buffer[]): Promise<RekeyResult> {
  const { effects, store, vault } = tools;
  await cancelRekey(vault);
  if (store.pendingRekey !== undefined && (await settle(tools, store.pendingRekey))) {
    return { epoch: (store.epoch as Epoch).id, retired: old.id };
  }
  const id = effects.newId();
  effects.log(`vault: replacing the shares of epoch ${old.id} by those of epoch ${id}`);
  const fresh = await requestShares(vault, { n: SHARES, t: THRESHOLD }, oldShares);
  if (fresh === undefined) {
    throw new UserError(
      `vault: the shares of epoch ${old.id} are not those in force`,
      "somebody has rekeyed it with another share file: git pull",
      EXIT.refused,
    );
  }
  verifyShares(fresh.shares, THRESHOLD);
  await store.addRekey(newEpoch(tools, id, old), fresh.shares);
  await putInForce(vault, fresh.nonce, readBack(tools, store.pendingRekey as Epoch));
  await store.endRekey(true);
  return { epoch: id, retired: old.id };
}

/** Whether the shares of a rekey that was cut short are in force; the file says so when this returns. */
async function settle(tools: Tools, pending: Epoch): Promise<boolean> {
  const { store, vault } = tools;
  const further = await requestShares(vault, pending, readBack(tools, pending));
  // What Vault has just handed out was only the proof.
  if (further !== undefined) await cancelRekey(vault);
  await store.endRekey(further !== undefined);
  return further !== undefined;
}

/** New shares are all in the file; nobody can take one out of a rekey that is not finished. */
function readBack({ store }: Tools, epoch: Epoch): Buffer[] {
  return store.shares(epoch).slice(0, epoch.t);
}

function newEpoch({ effects }: Tools, id: string, old: Epoch): Epoch {
  return {
    id,
    n: SHARES,
    t: THRESHOLD,
    phase: "STORED",
    created: effects.now().toISOString(),
    clusterId: null,
    rootToken: null,
    shares: [],
    rekeyOf: old.id,
  };
}
