import { EXIT } from "../../errors.ts";
import { waitForVault } from "../waiting.ts";
import { type Command, DRY_RUN, planned } from "./command.ts";

export const sealCommand: Command = {
  name: "seal",
  summary: "close it (restarts the container)",
  description: "Sealing through the API needs a token that nobody has; a restarted Vault is sealed as well.",
  options: DRY_RUN,
  operands: [],
  takesProgram: false,
  exitStatus: {},
  async run(context, { values }) {
    const { effects, vault } = (await context.openSession()).tools;
    const before = await waitForVault(vault, effects);
    if (values["dry-run"]) return planned(before.sealed ? [] : ["seal"]);
    if (!before.sealed) await effects.restartVault();
    const { sealed, version } = await waitForVault(vault, effects);
    const actions = before.sealed ? [] : ["sealed"];
    const text = `vault ${version}: ${before.sealed ? "nothing to do" : sealed ? "sealed" : "not sealed"}`;
    return { text, json: { actions, version }, exitCode: sealed ? EXIT.ok : EXIT.failed };
  },
};
