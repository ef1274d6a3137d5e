import { EXIT, UserError } from "../errors.ts";
import { withEndpoint } from "./endpoint-window.ts";
import { cancelRekey, requestShares, verifyShares as putInForce } from "./rekey-client.ts";
import { verifyShares } from "./shamir.ts";
import { type Epoch, SHARES, THRESHOLD } from "./share-file.ts";
import { type Tools, unsealVault } from "./unseal.ts";

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
 * @throws UserError (halfDone) where Vault is not bootstrapped; as {@link unsealVault}
 */
export async function rekey(tools: Tools): Promise<RekeyResult> {
  const { effects, store } = tools;
  return await effects.withHostLock(async () => {
    await store.load();
    const epoch = store.epoch;
    if (epoch?.phase !== "COMMITTED" || epoch.rootToken !== null) {
      throw new UserError("vault: its initialisation is not finished", "npx foundation vault ensure", EXIT.halfDone);
    }
    await unsealVault(tools);
    return await withEndpoint(tools, "rekey", () => replace(tools));
  });
}

/** What {@link rekey} would do. */
export async function planRekey({ store }: Tools): Promise<string[]> {
  await store.load();
  const { epoch, pendingRekey } = store;
  return [pendingRekey === undefined ? `replace the shares of epoch ${epoch?.id}` : `finish the rekey of ${epoch?.id}`];
}

async function replace(tools: Tools): Promise<RekeyResult> {
  const { effects, store, vault } = tools;
  await cancelRekey(vault);
  const old = store.epoch as Epoch;
  if (store.pendingRekey !== undefined && (await settle(tools, store.pendingRekey))) {
    return { epoch: (store.epoch as Epoch).id, retired: old.id };
  }
  const id = effects.newId();
  effects.log(`vault: replacing the shares of epoch ${old.id} by those of epoch ${id}`);
  const fresh = await requestShares(vault, { n: SHARES, t: THRESHOLD }, shares(tools, old));
  if (fresh === undefined) {
    throw new UserError(
      `vault: the shares of epoch ${old.id} are not those in force`,
      "somebody has rekeyed it with another share file: git pull",
      EXIT.refused,
    );
  }
  verifyShares(fresh.shares, THRESHOLD);
  await store.addRekey(newEpoch(tools, id, old), fresh.shares);
  await putInForce(vault, fresh.nonce, shares(tools, store.pendingRekey as Epoch));
  await store.endRekey(true);
  return { epoch: id, retired: old.id };
}

/** Whether the shares of a rekey that was cut short are in force; the file says so when this returns. */
async function settle(tools: Tools, pending: Epoch): Promise<boolean> {
  const { store, vault } = tools;
  const further = await requestShares(vault, pending, shares(tools, pending));
  // What Vault has just handed out was only the proof.
  if (further !== undefined) await cancelRekey(vault);
  await store.endRekey(further !== undefined);
  return further !== undefined;
}

function shares({ store }: Tools, epoch: Epoch): Buffer[] {
  const found = store.shares(epoch).slice(0, epoch.t);
  if (found.length === epoch.t) return found;
  throw new UserError(
    `share file: has ${found.length} of the ${epoch.t} shares that a rekey needs`,
    "a rekey needs as many shares in the file as open Vault",
    EXIT.refused,
  );
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
