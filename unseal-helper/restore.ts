import { EXIT, UserError } from "../errors.ts";
import type { AppRoleCredentials } from "../keys/derive.ts";
import { PULUMI_ROLE, verifyLogin } from "./bootstrap.ts";
import { isCanaryAlive } from "./canary.ts";
import type { Epoch } from "./share-file.ts";
import { READER_ROLE } from "./snapshot.ts";
import type { Canary } from "./snapshot-manifest.ts";
import type { SnapshotTransfer } from "./snapshot-transfer.ts";
import { openVault, type Tools } from "./unseal.ts";
import { waitForVault } from "./waiting.ts";

// The marker in the volume is the journal: from RESTORE to STORED nothing is in Vault but what a temporary
// initialisation and the snapshot have put there. A run that finds RESTORE wipes that and starts over; so every crash is
// finished by the same command, and a Vault with anything else in it is never touched.

/** What is restored, and with what. */
export interface RestoreArgs {
  readonly path: string;
  /** whose shares open the snapshot */
  readonly epoch: Epoch;
  readonly canary: Canary | null;
  /** enough shares of the epoch */
  readonly shares: () => Promise<Buffer[]>;
  readonly appRole: (name: string) => AppRoleCredentials;
  readonly transfer: SnapshotTransfer;
}

/** A Vault whose content is that of the snapshot. */
export interface Restored {
  readonly clusterId: string;
  readonly version: string;
  /** null where the snapshot has none */
  readonly canary: boolean | null;
}

/**
 * Puts a snapshot into an empty Vault and opens it.
 *
 * @throws UserError (refused) for a Vault that is not empty; (failed) where what came back is not what was saved
 */
export async function restoreVault(tools: Tools, args: RestoreArgs): Promise<Restored> {
  const { effects } = tools;
  return await effects.withHostLock(async () => {
    await requireEmpty(tools, args.epoch);
    await effects.writeMarker(marker(args.epoch, "RESTORE"));
    await load(tools, args);
    const restored = await prove(tools, args);
    await effects.writeMarker(marker(args.epoch, "STORED"));
    return restored;
  });
}

/** Leaves a Vault that was never initialised: takes back an earlier attempt, and refuses everything else. */
async function requireEmpty({ effects, vault }: Tools, epoch: Epoch): Promise<void> {
  await effects.startVault();
  const found = await effects.readMarker();
  if (found?.endsWith(" RESTORE")) {
    effects.log("vault: an earlier restore stopped half-way; starting over");
    await effects.stopVault();
    await effects.wipeVolume(found);
    await effects.startVault();
  }
  const { initialized } = await waitForVault(vault, effects);
  const isForeign = found !== undefined && !found.endsWith(" RESTORE") && found !== marker(epoch, "STORED");
  if (!initialized && !isForeign) return;
  throw new UserError(
    `vault: not empty${found === undefined ? "" : `: its volume carries the marker "${found}"`}`,
    "a snapshot is restored into an empty Vault only: remove the container and its volume vault-data, then pulumi up",
    EXIT.refused,
  );
}

/** A temporary Vault with the numbers of the snapshot's epoch takes the snapshot, and is gone with its restart. */
async function load({ effects, vault }: Tools, { path, epoch, transfer }: RestoreArgs): Promise<void> {
  const { n, t } = epoch;
  effects.log(`vault: loading the snapshot of epoch ${epoch.id}`);
  const body = { secret_shares: n, secret_threshold: t };
  const { status, body: answer } = await effects.requestVault({ method: "PUT", path: "sys/init", body });
  const { keys_base64: keys, root_token: token } = answer;
  if (status !== 200 || !Array.isArray(keys) || typeof token !== "string") {
    throw new UserError(`vault: sys/init: answered ${status}`, "run the same command again: it starts over");
  }
  const shares = keys.map((key) => Buffer.from(String(key), "base64"));
  const scratch = { id: "of the temporary Vault", n, t, clusterId: null };
  await openVault({ effects, vault }, scratch, () => Promise.resolve(shares));
  await transfer.upload(token, path);
  // It answers before it is done, and seals itself when it is. The numbers of shares are read again at a restart only.
  await waitForSeal({ effects, vault });
  await effects.restartVault();
}

const SEAL_SECONDS = 60;

async function waitForSeal({ effects, vault }: Pick<Tools, "effects" | "vault">): Promise<void> {
  const end = effects.monotonicNow() + SEAL_SECONDS * 1000;
  while (!(await waitForVault(vault, effects)).sealed) {
    if (effects.monotonicNow() > end) {
      throw new UserError(
        `vault: did not take the snapshot within ${SEAL_SECONDS} s`,
        "run the same command again: it starts over",
      );
    }
    await effects.sleep(200);
  }
}

async function prove({ effects, vault, store }: Tools, args: RestoreArgs): Promise<Restored> {
  const { epoch, canary, shares, appRole } = args;
  const { clusterId, version } = await openVault({ effects, vault }, epoch, shares);
  await verifyLogin(vault, appRole(PULUMI_ROLE));
  if (canary === null) return { clusterId, version, canary: null };
  if (await isCanaryAlive(vault, appRole(READER_ROLE), store.snapshotKey(), canary)) {
    return { clusterId, version, canary: true };
  }
  throw new UserError(
    `vault: restored, but foundation/${canary.path} is not what it was when the snapshot was taken`,
    "if it was being changed at that moment, nothing is wrong; run again with another snapshot to be sure",
  );
}

function marker({ id }: Epoch, state: "RESTORE" | "STORED"): string {
  return `${id} ${state}`;
}
