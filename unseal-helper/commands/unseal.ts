import { EXIT } from "../../errors.ts";
import { unsealVault } from "../unseal.ts";
import { waitForVault } from "../waiting.ts";
import { type Command, DRY_RUN, planned } from "./command.ts";

export const unsealCommand: Command = {
  name: "unseal",
  summary: "open it after a restart",
  description: "Needs this repository and the passphrase. Shares that somebody entered before are dropped first.",
  options: DRY_RUN,
  operands: [],
  takesProgram: false,
  exitStatus: {
    [EXIT.uninitialised]: "never initialised",
    [EXIT.halfDone]: "initialisation stopped half-way: run ensure",
  },
  async run(context, { values }) {
    const { tools } = await context.openSession();
    if (values["dry-run"]) return planned((await waitForVault(tools.vault, tools.effects)).sealed ? ["unseal"] : []);
    await tools.store.load();
    const { changed, clusterId, version } = await unsealVault(tools);
    const text = `vault ${version}: ${changed ? "unsealed" : "nothing to do"}`;
    return { text, json: { actions: changed ? ["unsealed"] : [], clusterId, version }, exitCode: EXIT.ok };
  },
};
