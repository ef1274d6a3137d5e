import { EXIT } from "../../errors.ts";
import { requireValid } from "../share-collection.ts";
import type { PaperShare } from "../share-paper.ts";
import { SHARE_FD, SheetInput } from "../sheet-input.ts";
import { type Command, DRY_RUN, planned } from "./command.ts";
import { committedEpoch } from "./shares-print.ts";

export const sharesCheckCommand: Command = {
  name: "shares check",
  summary: "tell whether a printed share is good, without Vault",
  description:
    "Asks for the five lines of a sheet, or for the content of its code, and compares them with the share file. Nothing\n" +
    "of it is shown. A typing error is named by its line. With --share-fd it checks every sheet in the text.",
  options: {
    remove: { type: "boolean", summary: "then take the share out of the file: from now on it is on paper only" },
    ...SHARE_FD,
    ...DRY_RUN,
  },
  operands: [],
  takesProgram: false,
  exitStatus: {
    [EXIT.ok]: "good",
    [EXIT.passphrase]: "passphrase missing or wrong, or a typing error in a sheet",
    [EXIT.refused]: "not a share of the epoch in force",
    [EXIT.uninitialised]: "there are no shares yet",
  },
  async run(context, args) {
    const { store } = (await context.openSession("files")).tools;
    const epoch = committedEpoch(store.epoch);
    const input = new SheetInput(context.around, args);
    const sheets: PaperShare[] = [];
    for (let sheet = await input.next(); sheet !== undefined; sheet = await input.next()) {
      requireValid(store, epoch, sheet);
      sheets.push(sheet);
      if (args.values["share-fd"] === undefined) break;
    }
    const inFile = sheets.filter(({ index }) => epoch.shares[index - 1]?.custody === "file");
    const removed = args.values["remove"] === true ? inFile.map(({ index }) => index) : [];
    if (args.values["dry-run"]) return planned(removed.map((index) => `take share ${index} out of the file`));
    if (removed.length > 0) await store.handOver(removed);
    const left = store.epoch?.shares.filter(({ custody }) => custody === "file").length ?? 0;
    const text = sheets.map(({ index }) => {
      return `share ${index} of epoch ${epoch.id}: good${removed.includes(index) ? ", now on paper only" : ""}`;
    });
    if (removed.length > 0) text.push(`the file has ${left} shares, ${epoch.t} open Vault; commit it`);
    const json = { epoch: epoch.id, good: sheets.map(({ index }) => index), removed, left };
    return { text: text.join("\n") || "no sheet", json, exitCode: sheets.length === 0 ? EXIT.failed : EXIT.ok };
  },
};
