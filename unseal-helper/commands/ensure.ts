import { EXIT } from "../../errors.ts";
import { closeLeftOpen } from "../endpoint-window.ts";
import { ensure, planEnsure } from "../ensure.ts";
import { type Command, DRY_RUN, type Option, planned } from "./command.ts";

/** The option of the commands that initialise. */
export const NEW_EPOCH: Readonly<Record<"new-epoch", Option>> = {
  "new-epoch": { type: "boolean", summary: "give up the keys in the file, where Vault is empty" },
};

export const ensureCommand: Command = {
  name: "ensure",
  summary: "initialise if it is empty, open it, give the Pulumi program its AppRole",
  description:
    "Goes on wherever an earlier run stopped, and changes nothing where nothing is missing. Records where Vault\n" +
    "runs, so that later commands need neither --host nor --host-key.",
  options: {
    ...NEW_EPOCH,
    "repair-role": { type: "boolean", summary: "write its AppRole again, where somebody has removed or changed it" },
    ...DRY_RUN,
  },
  operands: [],
  takesProgram: false,
  exitStatus: {},
  async run(context, { values }) {
    const { tools, target, credentials } = await context.openSession();
    const newEpoch = values["new-epoch"] === true;
    const repairRole = values["repair-role"] === true;
    if (values["dry-run"]) return planned(await planEnsure(tools, { newEpoch, repairRole }));
    const result = await ensure(tools, { target, credentials, newEpoch, repairRole });
    // Its configuration survives a restart, and nobody could look while it was sealed.
    if (result.actions.includes("unsealed")) await closeLeftOpen(tools);
    const done = result.actions.length === 0 ? "nothing to do" : result.actions.join(", ");
    const text = `vault ${result.version}: ${done} (epoch ${result.epoch})`;
    return { text, json: result, exitCode: EXIT.ok };
  },
};
