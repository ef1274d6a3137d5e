import { EXIT, UserError } from "../../errors.ts";
import { attempt, examineHost, examineVault, type Finding } from "../doctor.ts";
import { examineCopies, examinePassphrase, examineShares } from "../doctor-files.ts";
import { findFiles, openSession, type Session } from "../session.ts";
import { type Command, type Context, PROJECT, projectOf } from "./command.ts";

export const doctorCommand: Command = {
  name: "doctor",
  summary: "look for what will hurt one day; changes nothing",
  description:
    "Copies of the key files, the passphrase against everything it should open, shares on paper, Vault, its endpoints,\n" +
    "the VM's clock and disks. Each finding comes with the command that cures it.",
  options: PROJECT,
  operands: [],
  takesProgram: false,
  exitStatus: { [EXIT.ok]: "nothing found", [EXIT.attention]: "something found" },
  async run(context, { values }) {
    const findings = await examine(context, projectOf(values));
    const lines = findings.map(({ check, what, cure }) => `${check}: ${what}\n  cure: ${cure}`);
    const text = lines.length === 0 ? "nothing found" : lines.join("\n");
    return { text, json: { findings }, exitCode: findings.length === 0 ? EXIT.ok : EXIT.attention };
  },
};

async function examine(context: Context, project: string): Promise<Finding[]> {
  const { around } = context;
  const { stack, keyFile, shareFile } = await findFiles(context.options);
  const passphrase = await context.readPassphrase();
  const session = await tryToOpen(context, passphrase);
  const isKey = !(session instanceof UserError);
  try {
    const env = around.pulumiEnvironment;
    const findings = [
      await attempt("copies", () => examineCopies([keyFile, shareFile], around.childEnvironment)),
      await attempt("pulumi", () => examinePassphrase({ passphrase, isKey, keyFile, project, stack, env })),
    ];
    if (isKey) {
      findings.push(await attempt("shares", () => examineShares(session.tools.store)));
      findings.push(await attempt("vault", () => examineVault(session, project, stack)));
      findings.push(await attempt("vm", () => examineHost(session, around)));
    }
    return findings.flat();
  } finally {
    passphrase.fill(0);
    if (isKey) session.close();
  }
}

/** A passphrase that opens Pulumi's secrets and not the key file is what the doctor is there to find. */
async function tryToOpen({ options, around }: Context, passphrase: Buffer): Promise<Session | UserError> {
  try {
    return await openSession(options, around, passphrase);
  } catch (error) {
    if (error instanceof UserError && error.exitCode === EXIT.passphrase) return error;
    throw error;
  }
}
