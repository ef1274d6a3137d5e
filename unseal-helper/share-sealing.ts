import { createHmac } from "node:crypto";
import { EXIT, UserError } from "../errors.ts";
import { deriveBytes, LABELS } from "../keys/labels.ts";
import { openSecret, sealSecret } from "../keys/sealed-box.ts";
import { damaged } from "../keys/signed-document.ts";
import type { Epoch, SealedShare } from "./share-file.ts";

/** Where a share or token belongs; authenticated with it, so that it opens in no other place. */
type Place = Pick<Epoch, "id" | "n" | "t">;

/** Seals one share of an epoch under its own key. */
export function sealShare(masterKey: Buffer, stack: string, epoch: Place, index: number, share: Buffer): SealedShare {
  const key = deriveBytes(masterKey, LABELS.vaultShare, 32, epoch.id, index);
  const sealed = sealSecret(key, shareContext(stack, epoch, index), share);
  return { index, custody: "file", sealed, mac: shareMac(masterKey, epoch, index, share) };
}

/**
 * Opens one share that is in the file.
 *
 * @throws UserError (keyFile) where it does not open; (refused) where it is on paper
 */
export function openShare(masterKey: Buffer, path: string, stack: string, epoch: Epoch, index: number): Buffer {
  const { sealed, mac } = epoch.shares[index - 1] ?? { sealed: null, mac: "" };
  if (sealed === null) {
    throw new UserError(
      `${path}: has no share ${index} of epoch ${epoch.id}`,
      "type its sheet: npx foundation vault unseal asks for it; a new one: npx foundation vault shares issue --out DIR",
      EXIT.refused,
    );
  }
  const key = deriveBytes(masterKey, LABELS.vaultShare, 32, epoch.id, index);
  const share = openSecret(key, shareContext(stack, epoch, index), sealed);
  if (share === undefined || shareMac(masterKey, epoch, index, share) !== mac) {
    throw damaged(path, `share ${index} of epoch ${epoch.id} does not open`);
  }
  return share;
}

/** The entry for a share that is on paper only. */
export function paperShare(masterKey: Buffer, epoch: Place, index: number, share: Buffer): SealedShare {
  return { index, custody: "paper", sealed: null, mac: shareMac(masterKey, epoch, index, share) };
}

/** What an epoch holds for a while beside its shares: the initial root token, the private PGP key. */
type Held = "rootToken" | "pgpKey";
const HELD_LABELS = { rootToken: LABELS.vaultRootToken, pgpKey: LABELS.vaultPgpKey } as const;

/** Seals the root token or the private PGP key of an epoch. */
export function sealHeld(masterKey: Buffer, stack: string, epoch: Place, what: Held, secret: Buffer): string {
  const key = deriveBytes(masterKey, HELD_LABELS[what], 32, epoch.id);
  return sealSecret(key, heldContext(stack, epoch, what), secret);
}

/**
 * Opens the root token or the private PGP key of an epoch that has one.
 *
 * @throws UserError (keyFile) where it does not open
 */
export function openHeld(masterKey: Buffer, path: string, stack: string, epoch: Epoch, what: Held): Buffer {
  const key = deriveBytes(masterKey, HELD_LABELS[what], 32, epoch.id);
  const secret = openSecret(key, heldContext(stack, epoch, what), epoch[what] ?? "");
  if (secret === undefined) throw damaged(path, `the ${what} of epoch ${epoch.id} does not open`);
  return secret;
}

/** 16 hex characters by which a share is recognised: needs the master key, so that it cannot be guessed at. */
export function shareMac(masterKey: Buffer, epoch: Place, index: number, share: Buffer): string {
  const key = deriveBytes(masterKey, LABELS.vaultShareMac, 32, epoch.id, index);
  return createHmac("sha256", key).update(share).digest("hex").slice(0, 16);
}

function shareContext(stack: string, { id, n, t }: Place, index: number): string {
  return JSON.stringify({ v: 1, vault: stack, epoch: id, i: index, n, t });
}

function heldContext(stack: string, { id }: Place, what: Held): string {
  return JSON.stringify({ v: 1, vault: stack, epoch: id, [what]: true });
}
