import { EXIT } from "../../errors.ts";
import { verifyFile } from "../verification.ts";
import type { Command } from "./command.ts";

export const verifyCommand: Command = {
  name: "verify",
  summary: "prove that the shares in the file are whole and of this Vault",
  description:
    "Opens every share in the file, compares it with its fingerprint, and combines every set of them that is large\n" +
    "enough. Compares the identity of Vault where it is open. Reveals nothing, and changes nothing.",
  options: { offline: { type: "boolean", summary: "do not ask Vault who it is" } },
  operands: [],
  takesProgram: false,
  exitStatus: {
    [EXIT.attention]: "the file is whole; Vault is sealed, so that it cannot be asked who it is",
    [EXIT.uninitialised]: "there are no shares in the file",
  },
  async run(context, { values }) {
    const isOffline = values["offline"] === true;
    const { tools } = await context.openSession(isOffline ? "files" : undefined);
    const report = await verifyFile(tools, isOffline);
    const lines = report.epochs.map(
      ({ id, phase, t, file, paper }) =>
        `epoch ${id} ${phase}: ${file} shares in the file, ${paper} on paper, ${t} open`,
    );
    const text = [...lines, `vault: ${report.vault}`].join("\n");
    return { text, json: report, exitCode: report.vault === "sealed, not compared" ? EXIT.attention : EXIT.ok };
  },
};
