import { EXIT, UserError } from "../errors.ts";
import type { AppRoleCredentials } from "../keys/derive.ts";
import { PULUMI_ROLE, verifyLogin } from "./bootstrap.ts";
import { isCanaryAlive } from "./canary.ts";
import { VaultUnavailable } from "./effects.ts";
import type { Epoch } from "./share-file.ts";
import { READER_ROLE } from "./snapshot.ts";
import type { Canary } from "./snapshot-manifest.ts";
import type { SnapshotTransfer } from "./snapshot-transfer.ts";
import { openVault, type Tools } from "./unseal.ts";
import { waitForVault } from "./waiting.ts";

// The marker in the volume is the journal. Where it says RESTORE, a run was cut short; what it has left is either the
// temporary Vault, which nobody else has a key to and which is wiped, or the whole snapshot, which opens with the shares
// of its time and which somebody may have used since: that is finished, never wiped.

/** What is restored, and with what. */
export interface RestoreArgs {
  readonly path: string;
  /** start of its SHA-256: tells an earlier attempt with it from one with another */
  readonly snapshot?: string;
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
 * @param record writes down that Vault is the restored one, before the volume says so
 * @throws UserError (refused) for a Vault that is not empty; (failed) where what came back is not what was saved
 */
export async function restoreVault(
  tools: Tools,
  args: RestoreArgs,
  record: () => Promise<void> = () => Promise.resolve(),
): Promise<Restored> {
  const { effects } = tools;
  return await effects.withHostLock(async () => {
    await bringIn(tools, args);
    const restored = await prove(tools, args);
    await record();
    await effects.writeMarker(marker(args, "STORED"));
    return restored;
  });
}

/** Longer each time: a Vault that hangs is told from one that is slow by its being slow again. */
const PATIENCE_SECONDS = [60, 180, 600];

/** Loads the snapshot, again where Vault hung meanwhile; nothing where an earlier run has loaded it. */
async function bringIn(tools: Tools, args: RestoreArgs): Promise<void> {
  const { effects } = tools;
  for (const seconds of PATIENCE_SECONDS) {
    if (await isLoaded(tools, args)) return;
    await effects.writeMarker(marker(args, "RESTORE"));
    if (await load(tools, args, seconds)) return;
    effects.log(`vault: has answered nothing for ${seconds} s; starting it anew`);
  }
  throw new UserError("vault: hangs whenever it takes this snapshot in", "docker logs --tail 50 vault (on the VM)");
}

/** Whether an earlier run has loaded the snapshot already; else Vault is one that was never initialised afterwards. */
async function isLoaded(tools: Tools, args: RestoreArgs): Promise<boolean> {
  const { effects, vault } = tools;
  await effects.startVault();
  const found = await effects.readMarker();
  if (found?.split(" ")[1] === "RESTORE") {
    // A Vault that was left in the middle of it may answer nobody until it is started anew.
    await effects.restartVault();
    if (await holdsSnapshot(tools, args, found)) {
      if (found !== marker(args, "RESTORE")) throw otherSnapshot(found);
      effects.log("vault: an earlier run has loaded this snapshot; finishing it");
      return true;
    }
    effects.log("vault: an earlier restore stopped half-way; starting over");
    await effects.stopVault();
    await effects.wipeVolume(found);
    await effects.startVault();
  } else if (found !== undefined && found !== marker(args, "STORED")) throw notEmpty(found);
  if ((await waitForVault(vault, effects)).initialized) throw notEmpty(found);
  return false;
}

/** Whether what a run that was cut short has left opens with the shares of a snapshot. */
async function holdsSnapshot({ effects, vault, store }: Tools, args: RestoreArgs, found: string): Promise<boolean> {
  const epoch = store.epochs.find(({ id }) => found.startsWith(id));
  if (epoch === undefined) throw notEmpty(found);
  try {
    if (!(await waitForVault(vault, effects)).initialized) return false;
  } catch (error) {
    // sys/init was killed in the middle; a Vault that was ever open has this.
    if (error instanceof UserError && error.message.includes("no seal configuration found")) return false;
    throw error;
  }
  const shares = epoch.id === args.epoch.id ? args.shares : () => Promise.resolve(store.shares(epoch));
  try {
    await openVault({ effects, vault }, epoch, shares);
    return true;
  } catch (error) {
    if (error instanceof UserError && error.exitCode === EXIT.refused) return false;
    throw error;
  }
}

function notEmpty(found: string | undefined): UserError {
  return new UserError(
    `vault: not empty${found === undefined ? "" : `: its volume carries the marker "${found}"`}`,
    "a snapshot is restored into an empty Vault only: remove the container and its volume vault-data, then pulumi up",
    EXIT.refused,
  );
}

function otherSnapshot(found: string): UserError {
  return new UserError(
    `vault: holds another snapshot, whose restore was not finished: its volume carries the marker "${found}"`,
    "finish that one: npx foundation vault restore FILE; or remove the container and its volume vault-data, then pulumi up",
    EXIT.refused,
  );
}

/**
 * A temporary Vault with the numbers of the snapshot's epoch takes the snapshot, and is gone with its restart.
 *
 * @param patienceSeconds for Vault to take in what it has
 * @returns false where it has hung instead, and nobody knows whether it has the snapshot
 */
async function load(
  { effects, vault }: Tools,
  { path, epoch, transfer }: RestoreArgs,
  patienceSeconds: number,
): Promise<boolean> {
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
  if (!(await isSealedWithin(patienceSeconds, { effects, vault }))) return false;
  await effects.restartVault();
  return true;
}

// While it takes a snapshot in, Vault 1.21 answers nothing: on a busy machine for more than half a minute, and now and
// then never again.
async function isSealedWithin(seconds: number, { effects, vault }: Pick<Tools, "effects" | "vault">): Promise<boolean> {
  const end = effects.monotonicNow() + seconds * 1000;
  for (;;) {
    try {
      if ((await vault.sealStatus()).sealed) return true;
    } catch (error) {
      if (!(error instanceof VaultUnavailable)) throw error;
    }
    if (effects.monotonicNow() > end) return false;
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
    "if it was being changed at that moment, nothing is wrong, and Vault is open; else remove the container and its volume vault-data, pulumi up, and restore another snapshot",
  );
}

function marker({ epoch, snapshot }: RestoreArgs, state: "RESTORE" | "STORED"): string {
  return [epoch.id, state, ...(state === "RESTORE" && snapshot !== undefined ? [snapshot] : [])].join(" ");
}
