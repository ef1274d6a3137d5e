import { EXIT } from "../../errors.ts";
import { readStatus, statusCode, statusLine } from "../status.ts";
import type { Command } from "./command.ts";

export const statusCommand: Command = {
  name: "status",
  summary: "tell the state; needs no passphrase",
  description: "Asks Vault once, and puts what the share file knows beside the answer.",
  options: {},
  operands: [],
  takesProgram: false,
  exitStatus: {
    [EXIT.ok]: "unsealed",
    [EXIT.attention]: "sealed",
    [EXIT.uninitialised]: "never initialised",
    [EXIT.halfDone]: "initialisation stopped half-way: run ensure; or a rekey: run rekey",
  },
  async run(context) {
    const { vault, file } = await context.observe();
    const report = await readStatus(vault, file);
    return { text: statusLine(report), json: report, exitCode: statusCode(report) };
  },
};
