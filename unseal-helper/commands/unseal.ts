import { EXIT } from "../../errors.ts";
import { closeLeftOpen } from "../endpoint-window.ts";
import { CLOCK } from "../clock.ts";
import { collectSheets, shareSource } from "../share-collection.ts";
import { SHARE_FD, SheetInput } from "../sheet-input.ts";
import { openVault, type Unsealed, unsealVault } from "../unseal.ts";
import { waitForVault } from "../waiting.ts";
import { type Arguments, type Command, type Context, DRY_RUN, type Outcome, planned } from "./command.ts";

export const unsealCommand: Command = {
  name: "unseal",
  summary: "open it after a restart",
  description:
    "Needs this repository and the passphrase. Shares that somebody entered before are dropped first. Where the\n" +
    "file has fewer shares than open Vault, it asks for printed ones. With --paper it needs no passphrase and takes\n" +
    "nothing but printed shares.",
  options: {
    paper: { type: "boolean", summary: "open it with printed shares alone" },
    ...SHARE_FD,
    ...DRY_RUN,
  },
  operands: [],
  takesProgram: false,
  exitStatus: {
    [EXIT.uninitialised]: "never initialised",
    [EXIT.passphrase]: "passphrase missing or wrong, or too few shares",
    [EXIT.halfDone]: "initialisation stopped half-way: run ensure",
  },
  async run(context, args) {
    return args.values["paper"] === true ? await openWithPaper(context, args) : await openWithFile(context, args);
  },
};

async function openWithFile(context: Context, args: Arguments): Promise<Outcome> {
  const { tools } = await context.openSession();
  if (args.values["dry-run"]) return planned((await waitForVault(tools.vault, tools.effects)).sealed ? ["unseal"] : []);
  await tools.store.load();
  const result = await unsealVault(tools, shareSource(tools.store, new SheetInput(context.around, args)));
  // Its configuration survives a restart, and nobody could look while it was sealed.
  if (result.changed) await closeLeftOpen(tools);
  return outcome(result);
}

/** Without the master key the file is known to be intact, not to be ours; so it is Vault that judges the sheets. */
async function openWithPaper(context: Context, args: Arguments): Promise<Outcome> {
  const { vault, file } = await context.observe();
  const effects = { ...CLOCK, log: context.around.log };
  const { initialized, sealed, n } = await waitForVault(vault, effects);
  if (args.values["dry-run"]) return planned(initialized && sealed ? ["unseal"] : []);
  if (initialized && !sealed) {
    const { version, clusterId } = await vault.sealStatus();
    return outcome({ changed: false, clusterId: clusterId ?? "", version });
  }
  const { epochStart, t, shares } = await collectSheets(new SheetInput(context.around, args));
  const epoch = file.epochs.find(({ id }) => id.startsWith(epochStart));
  const lock = epoch ?? { id: `${epochStart}…`, n, t, clusterId: null };
  return outcome(await openVault({ effects, vault }, lock, () => Promise.resolve(shares)));
}

function outcome({ changed, clusterId, version }: Unsealed): Outcome {
  const text = `vault ${version}: ${changed ? "unsealed" : "nothing to do"}`;
  return { text, json: { actions: changed ? ["unsealed"] : [], clusterId, version }, exitCode: EXIT.ok };
}
