import { EXIT } from "../../errors.ts";
import { planRekey, rekey } from "../rekey.ts";
import { shareSource } from "../share-collection.ts";
import { SHARE_FD, SheetInput } from "../sheet-input.ts";
import { type Command, DRY_RUN, planned } from "./command.ts";

export const rekeyCommand: Command = {
  name: "rekey",
  summary: "replace its shares, or finish a replacement that was cut short",
  description:
    "After somebody has seen a share. Vault hands out new shares and puts them in force once enough of them, read back\n" +
    "from the file, have been shown to it. The old ones stay in the file: they open snapshots of their time.\n" +
    "Sheets of the old epoch open Vault no more: print new ones. Where the file has fewer shares than open Vault, it\n" +
    "asks for printed ones.",
  options: { ...SHARE_FD, ...DRY_RUN },
  operands: [],
  takesProgram: false,
  exitStatus: { [EXIT.halfDone]: "initialisation is not finished: run ensure" },
  async run(context, args) {
    const { tools } = await context.openSession();
    if (args.values["dry-run"]) return planned(await planRekey(tools));
    const shares = shareSource(tools.store, new SheetInput(context.around, args));
    const result = await context.around.uninterrupted(() => rekey(tools, shares));
    const text =
      `vault: epoch ${result.epoch} is in force, epoch ${result.retired} is retired\n` +
      "commit the share file; sheets of the retired epoch open Vault no more: npx foundation vault shares print --out DIR";
    return { text, json: result, exitCode: EXIT.ok };
  },
};
