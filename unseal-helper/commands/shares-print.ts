import { EXIT, UserError } from "../../errors.ts";
import type { Epoch } from "../share-file.ts";
import { sheetName, writeSheet } from "../sheet-files.ts";
import { type Arguments, type Command, DRY_RUN, planned } from "./command.ts";

export const sharesPrintCommand: Command = {
  name: "shares print",
  summary: "write printable sheets of shares",
  description:
    "Writes one page (SVG) per share into a directory: by default of the shares above the threshold, so that as many\n" +
    "as open Vault stay in the file. Print them, delete the files, and check each sheet: shares check --remove takes\n" +
    "a share out of the share file once its sheet is proven good. Versions of the share file in the repository's\n" +
    "history still have it: for shares that are on paper only, rekey first and print before you commit.",
  options: {
    out: { type: "string", value: "DIR", summary: "directory of the sheets; made if it is not there" },
    shares: { type: "string", value: "LIST", summary: "which ones, as in 4,5,6" },
    ...DRY_RUN,
  },
  operands: [],
  takesProgram: false,
  exitStatus: { [EXIT.uninitialised]: "there are no shares yet" },
  async run(context, { values }) {
    const directory = outDirectory(values);
    const { store, effects } = (await context.openSession("files")).tools;
    const epoch = committedEpoch(store.epoch);
    const indices = chosen(epoch, values["shares"]);
    if (values["dry-run"]) return planned(indices.map((index) => `write ${sheetName(store.stack, epoch, index)}`));
    const date = effects.now().toISOString().slice(0, 10);
    const files: string[] = [];
    for (const index of indices) {
      files.push(await writeSheet(directory, { store, epoch, index, share: store.share(index), date }));
    }
    const text = `${files.join("\n")}\nprint them, delete them here, then: npx foundation vault shares check --remove`;
    return { text, json: { epoch: epoch.id, files }, exitCode: EXIT.ok };
  },
};

/**
 * The directory for sheets, which has to be named: nobody should find them by chance.
 *
 * @throws UserError (usage)
 */
export function outDirectory(values: Arguments["values"]): string {
  const { out } = values;
  if (typeof out === "string" && out !== "") return out;
  throw new UserError("command line: --out DIR is needed", "a directory on an encrypted or removable disk", EXIT.usage);
}

/**
 * The epoch whose shares may be given away.
 *
 * @throws UserError (uninitialised, halfDone) where there is none yet
 */
export function committedEpoch(epoch: Epoch | undefined): Epoch {
  const hint = "npx foundation vault ensure";
  if (epoch === undefined) throw new UserError("shares: there are none yet", hint, EXIT.uninitialised);
  if (epoch.phase === "COMMITTED") return epoch;
  throw new UserError(`shares: epoch ${epoch.id} is at ${epoch.phase}`, hint, EXIT.halfDone);
}

function chosen(epoch: Epoch, list: string | boolean | undefined): number[] {
  const inFile = epoch.shares.filter(({ custody }) => custody === "file").map(({ index }) => index);
  if (typeof list !== "string") {
    const printable = inFile.filter((index) => index > epoch.t);
    if (printable.length > 0) return printable;
    throw new UserError(
      "shares: those above the threshold are on paper already",
      "a further sheet: npx foundation vault shares issue --out DIR; again from the file: --shares LIST",
      EXIT.refused,
    );
  }
  const indices = list.split(",").map(Number);
  const wrong = indices.find((index) => !inFile.includes(index));
  if (wrong === undefined && new Set(indices).size === indices.length) return indices;
  throw new UserError(`--shares ${list}: the file has ${inFile.join(",") || "none"}`, "--shares 4,5,6", EXIT.usage);
}
