import { EXIT, UserError } from "../errors.ts";
import { type InitSecrets, openInitResponse } from "./init-response.ts";
import { type Epoch, SHARES, THRESHOLD } from "./share-file.ts";
import { foreign, type Tools } from "./unseal.ts";
import { waitForVault } from "./waiting.ts";

// The order below is what makes every crash survivable:
//   INTENT and a PGP key in the file → marker in the volume → sys/init, its encrypted answer kept beside the marker
//   → shares checked offline → STORED in the file, read back → marker says STORED → unsealed with what the file holds
//   → kept answer removed → COMMITTED.
// Nothing is written into Vault before its shares are in the file. So a Vault whose volume carries the INTENT marker
// of the file's epoch is provably empty: wiping it loses nothing, should even the kept answer be lost.
// A copy of the file that has stayed at INTENT meets the STORED marker and is refused.

/** Whether Vault has to be initialised, or an initialisation that stopped half-way has to be finished. */
export async function needsInitialisation({ effects, vault, store }: Tools, newEpoch: boolean): Promise<boolean> {
  const { epoch } = store;
  // A half-initialised Vault may never tell its status.
  if (epoch?.phase === "INTENT") return true;
  const status = await waitForVault(vault, effects);
  if (status.initialized) {
    if (epoch === undefined) throw foreign("it is initialised, the share file has no shares");
    return false;
  }
  if (epoch === undefined || newEpoch) return true;
  throw new UserError(
    `vault: empty, but the share file has the keys of epoch ${epoch.id}`,
    "npx foundation vault restore FILE; or give its content up: npx foundation vault ensure --new-epoch",
    EXIT.refused,
  );
}

/** Initialises Vault; when it returns, the shares are in the file and proven to be a complete set. */
export async function initialise(tools: Tools, newEpoch: boolean): Promise<void> {
  const { effects, store } = tools;
  // Another run may have done it while this one waited for the lock.
  await store.load();
  if (!(await needsInitialisation(tools, newEpoch))) return;
  if (store.epoch?.phase === "INTENT") {
    const secrets = await takeUp(tools, store.epoch);
    if (secrets !== undefined) return await store.storeSecrets(secrets.shares, secrets.rootToken);
  } else {
    await store.addIntent(newIntent(tools), await effects.pgp.newPrivateKey());
  }
  const { id, n, t } = store.epoch as Epoch;
  const pgpPublicKey = await effects.pgp.publicKeyOf(store.pgpKey());
  await effects.writeMarker(marker(id, "INTENT"));
  effects.log(`vault: initialising, epoch ${id}, ${t} of ${n} shares open it`);
  const answer = await effects.initialiseVault({ epochId: id, n, t, pgpPublicKey });
  const secrets = await openInitResponse(effects.pgp, store.pgpKey(), answer, { n, t });
  if (secrets === undefined) {
    throw new UserError("vault: sys/init: its answer is not whole", "npx foundation vault ensure", EXIT.halfDone);
  }
  await store.storeSecrets(secrets.shares, secrets.rootToken);
}

/**
 * Proves the stored shares by opening Vault with them, then records which Vault they open.
 *
 * @param open unseals with the shares of the file
 */
export async function commit(tools: Tools, open: () => Promise<{ clusterId: string }>): Promise<void> {
  const { effects, store } = tools;
  const epoch = store.epoch as Epoch;
  const found = await effects.readMarker();
  if (found === marker(epoch.id, "INTENT")) await effects.writeMarker(marker(epoch.id, "STORED"));
  else if (found !== marker(epoch.id, "STORED")) throw foreignVolume(epoch, found);
  const { clusterId } = await open();
  await effects.shredSpool();
  await store.updateEpoch({ phase: "COMMITTED", clusterId });
}

/**
 * Takes up an INTENT of an earlier run: with the answer that the VM has kept, else by emptying what may have been
 * initialised, and nothing else.
 *
 * @returns the secrets of the earlier run; `undefined` where Vault is empty
 */
async function takeUp({ effects, vault, store }: Tools, epoch: Epoch): Promise<InitSecrets | undefined> {
  // The earlier run may have stopped between stopping and starting the container.
  await effects.startVault();
  const found = await effects.readMarker();
  if (found === marker(epoch.id, "INTENT")) {
    const answer = await effects.readSpool(epoch.id);
    const secrets = answer && (await openInitResponse(effects.pgp, store.pgpKey(), answer, epoch));
    if (secrets) {
      effects.log(`vault: taking up the initialisation of epoch ${epoch.id} with the answer that the VM has kept`);
      return secrets;
    }
    effects.log(`vault: initialisation of epoch ${epoch.id} stopped half-way and left nothing in it; starting over`);
    await effects.stopVault();
    await effects.wipeVolume(found);
    await effects.startVault();
  } else if (found !== undefined) {
    throw foreignVolume(epoch, found);
  }
  const { initialized } = await waitForVault(vault, effects);
  if (initialized) throw foreignVolume(epoch, undefined);
  return undefined;
}

function newIntent({ effects }: Tools): Omit<Epoch, "pgpKey"> {
  return {
    id: effects.newId(),
    n: SHARES,
    t: THRESHOLD,
    phase: "INTENT",
    created: effects.now().toISOString(),
    clusterId: null,
    rootToken: null,
    shares: [],
  };
}

function marker(epochId: string, state: "INTENT" | "STORED"): string {
  return `${epochId} ${state}`;
}

function foreignVolume(epoch: Epoch, found: string | undefined): UserError {
  const what = found === undefined ? "has no marker of an epoch" : `carries the marker "${found}"`;
  return foreign(`its volume ${what}, the share file is at ${epoch.phase} of epoch ${epoch.id}`);
}
