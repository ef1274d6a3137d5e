import { EXIT, UserError } from "../errors.ts";
import type { Epoch } from "./share-file.ts";
import type { PaperShare } from "./share-paper.ts";
import type { ShareStore } from "./share-store.ts";
import type { ShareSource } from "./unseal.ts";

/** Where sheets come from, one after the other. */
export interface Sheets {
  /** `undefined` where there are no more */
  next(): Promise<PaperShare | undefined>;
}

/**
 * As many shares as open the epoch: those in the file, and sheets for what is missing.
 *
 * @throws UserError (refused) for a sheet that is not of this epoch; (passphrase) where there are too few
 */
export async function collectShares(store: ShareStore, epoch: Epoch, sheets: Sheets): Promise<Buffer[]> {
  const shares = store.shares(epoch).slice(0, epoch.t);
  while (shares.length < epoch.t) {
    const sheet = await sheets.next();
    if (sheet === undefined) throw tooFew(shares.length, epoch.t);
    requireValid(store, epoch, sheet);
    addShare(shares, sheet);
  }
  return shares;
}

/** {@link collectShares} for what needs them more than once: nobody types a sheet twice. */
export function shareSource(store: ShareStore, sheets: Sheets): ShareSource {
  const collected = new Map<string, Promise<Buffer[]>>();
  return (epoch) => {
    const shares = collected.get(epoch.id) ?? collectShares(store, epoch, sheets);
    collected.set(epoch.id, shares);
    return shares;
  };
}

/**
 * As many sheets as open Vault by themselves, when the passphrase is lost: nothing can be checked but that they
 * belong together.
 *
 * @throws UserError (refused) for sheets that do not belong together; (passphrase) where there are too few
 */
export async function collectSheets(sheets: Sheets): Promise<{ epochStart: string; t: number; shares: Buffer[] }> {
  const first = await sheets.next();
  if (first === undefined) throw tooFew(0, 2);
  const { epochStart, t } = first;
  const shares = [first.share];
  while (shares.length < t) {
    const sheet = await sheets.next();
    if (sheet === undefined) throw tooFew(shares.length, t);
    if (sheet.epochStart !== epochStart || sheet.t !== t) {
      throw new UserError(
        `sheet ${sheet.index}: of epoch ${sheet.epochStart}…, the first one is of ${epochStart}…`,
        "use sheets with the same epoch; it is printed on each",
        EXIT.refused,
      );
    }
    addShare(shares, sheet);
  }
  return { epochStart, t, shares };
}

/**
 * Checks a sheet against the share file.
 *
 * @throws UserError (refused) for another epoch's sheet, or one that is not as it was printed
 */
export function requireValid(store: ShareStore, epoch: Epoch, sheet: PaperShare): void {
  const { epochStart, index, share, t } = sheet;
  if (!epoch.id.startsWith(epochStart)) {
    throw new UserError(
      `sheet ${index}: of epoch ${epochStart}…, not of ${epoch.id}`,
      "after a rekey only new sheets open Vault: npx foundation vault shares print --out DIR",
      EXIT.refused,
    );
  }
  if (t !== epoch.t || !store.isShare(epoch, index, share)) {
    throw new UserError(
      `sheet ${index}: typed as printed, but it is no share of epoch ${epoch.id}`,
      "is the share file the newest committed one (git pull)? else destroy the sheet and issue another: npx foundation vault shares issue --out DIR",
      EXIT.refused,
    );
  }
}

function addShare(shares: Buffer[], { index, share }: PaperShare): void {
  const isThere = shares.some((other) => other.at(-1) === share.at(-1));
  if (isThere) throw new UserError(`sheet ${index}: is used already`, "use another one", EXIT.refused);
  shares.push(share);
}

/** The error for fewer shares than the threshold. */
export function tooFew(found: number, t: number): UserError {
  return new UserError(
    `shares: ${found} of the ${t} that open Vault`,
    "type the sheets that are missing: npx foundation vault unseal (rekey and breakglass ask as well)",
    EXIT.passphrase,
  );
}
