import { access } from "node:fs/promises";
import { EXIT, UserError } from "../../errors.ts";
import { unreachable } from "../host-script.ts";
import { takeSnapshot } from "../snapshot.ts";
import { manifestPath } from "../snapshot-manifest.ts";
import { snapshotTransfer } from "../snapshot-transfer.ts";
import { sshAgent } from "../ssh-transport.ts";
import { type Command, type Context, DRY_RUN, planned } from "./command.ts";

export const snapshotCommand: Command = {
  name: "snapshot",
  summary: "save everything in Vault to a file",
  description:
    "Writes FILE, which is encrypted by Vault itself, and FILE.json, which says which shares open it and how a restored\n" +
    "Vault is recognised. Both are proven before they get their names. Keep them together; neither needs to be secret.",
  options: DRY_RUN,
  operands: ["FILE"],
  takesProgram: false,
  exitStatus: { [EXIT.attention]: "Vault is sealed" },
  async run(context, { values, operands }) {
    const [path = ""] = operands;
    const exists = await access(path).then(
      () => true,
      () => false,
    );
    if (exists) throw new UserError(`${path}: is there already`, "choose another name", EXIT.refused);
    if (values["dry-run"]) return planned([`write ${path} and ${manifestPath(path)}`]);
    const { tools, secrets } = await context.openSession();
    const { transfer, close } = await openTransfer(context);
    const manifest = await takeSnapshot(tools, { path, appRole: secrets.vaultAppRole, transfer }).finally(close);
    const check = manifest.canary === null ? ", no value in the KV store to recognise it by" : "";
    const text = `${path}: ${manifest.bytes} bytes, whole, epoch ${manifest.epoch}${check}`;
    return { text, json: { path, ...manifest }, exitCode: EXIT.ok };
  },
};

/** A connection for bulk data beside that of the requests. */
export async function openTransfer(context: Context) {
  const { target, openConnection } = await context.openSession();
  const agent = sshAgent(openConnection, (code, stderr) => unreachable(target, code, stderr));
  return { transfer: snapshotTransfer(agent), close: () => agent.destroy() };
}
