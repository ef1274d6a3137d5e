import { EXIT } from "../../errors.ts";
import { initialiseAndOpen, planOpening } from "../ensure.ts";
import { type Command, DRY_RUN, planned } from "./command.ts";
import { NEW_EPOCH } from "./ensure.ts";

export const initCommand: Command = {
  name: "init",
  summary: "initialise if it is empty and open it, and write nothing into it",
  description:
    "The first half of ensure: the shares are in the file, proven by an unseal with what was read back from it. The\n" +
    "root token stays sealed in the file until ensure has used and revoked it.",
  options: { ...NEW_EPOCH, ...DRY_RUN },
  operands: [],
  takesProgram: false,
  exitStatus: {},
  async run(context, { values }) {
    const { tools, target } = await context.openSession();
    const newEpoch = values["new-epoch"] === true;
    if (values["dry-run"]) return planned(await planOpening(tools, newEpoch));
    const result = await initialiseAndOpen(tools, { target, newEpoch });
    const done = result.actions.length === 0 ? "nothing to do" : result.actions.join(", ");
    return { text: `vault ${result.version}: ${done} (epoch ${result.epoch})`, json: result, exitCode: EXIT.ok };
  },
};
