import { EXIT } from "../../errors.ts";
import { collectShares } from "../share-collection.ts";
import { extendShares } from "../shamir.ts";
import type { Epoch } from "../share-file.ts";
import type { ShareStore } from "../share-store.ts";
import { writeSheet } from "../sheet-files.ts";
import { SHARE_FD, SheetInput } from "../sheet-input.ts";
import { type Command, DRY_RUN, planned } from "./command.ts";
import { committedEpoch, outDirectory } from "./shares-print.ts";

export const sharesIssueCommand: Command = {
  name: "shares issue",
  summary: "make one more share and its sheet, in place of a lost one",
  description:
    "A further point of the same polynomial, which Vault takes like the others: no rekey, nothing changes in Vault, and\n" +
    "the sheets that exist stay good. So it replaces a sheet that was lost or is not legible, not one that was stolen:\n" +
    "for that, rekey.",
  options: {
    out: { type: "string", value: "DIR", summary: "directory of the sheet; made if it is not there" },
    ...SHARE_FD,
    ...DRY_RUN,
  },
  operands: [],
  takesProgram: false,
  exitStatus: { [EXIT.uninitialised]: "there are no shares yet" },
  async run(context, args) {
    const directory = outDirectory(args.values);
    const { store, effects } = (await context.openSession("files")).tools;
    const epoch = committedEpoch(store.epoch);
    if (args.values["dry-run"]) return planned([`issue share ${epoch.shares.length + 1} of epoch ${epoch.id}`]);
    const shares = await collectShares(store, epoch, new SheetInput(context.around, args));
    const share = unusedShare(store, epoch, shares);
    // Registered first: a sheet that the file does not know could never be checked.
    const index = await store.addPaperShare(share);
    const date = effects.now().toISOString().slice(0, 10);
    const file = await writeSheet(directory, { store, epoch: committedEpoch(store.epoch), index, share, date });
    const text = `${file}\nprint it, delete it here, commit the share file, then: npx foundation vault shares check`;
    return { text, json: { epoch: epoch.id, index, files: [file] }, exitCode: EXIT.ok };
  },
};

/** The share at the first x that none of the epoch's has; of those on paper the file knows only the fingerprint. */
function unusedShare(store: ShareStore, epoch: Epoch, shares: readonly Buffer[]): Buffer {
  for (let x = 1; x < 256; x++) {
    if (shares.some((share) => share.at(-1) === x)) continue;
    const candidate = extendShares(shares, x);
    if (!epoch.shares.some(({ index }) => store.isShare(epoch, index, candidate))) return candidate;
  }
  throw new Error("every share of this epoch has been issued");
}
