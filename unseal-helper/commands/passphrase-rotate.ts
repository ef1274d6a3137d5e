import { readFileSync } from "node:fs";
import { EXIT, UserError } from "../../errors.ts";
import { passphraseFromFile } from "../../keys/passphrase.ts";
import { planRotation, rotatePassphrase, type Rotation } from "../passphrase-rotation.ts";
import { findFiles } from "../session.ts";
import { type Arguments, type Command, type Context, DRY_RUN, planned } from "./command.ts";

export const passphraseRotateCommand: Command = {
  name: "passphrase rotate",
  summary: "put the key file and Pulumi's secrets under a new passphrase",
  description:
    "Changes slot 0 of the key file, Pulumi.STACK.yaml and the state together, with the pulumi program where there is\n" +
    "one. No secret of the foundation changes. A run that was cut short is finished by running it again with the same\n" +
    "two passphrases. Whatever was copied before stays under the old passphrase: the repository's history, Pulumi's\n" +
    "own backups, snapshots of the state.",
  options: {
    "new-passphrase-fd": { type: "string", value: "N", summary: "read the new one from this file descriptor" },
    project: { type: "string", value: "DIR", summary: "directory of Pulumi.yaml (default .)" },
    ...DRY_RUN,
  },
  operands: [],
  takesProgram: false,
  exitStatus: {
    [EXIT.passphrase]: "the old passphrase is missing or wrong, or the new one is weak",
    [EXIT.halfDone]: "a rotation to another passphrase has not been finished",
    [EXIT.config]: "a file of Pulumi's is not as it wrote it",
  },
  async run(context, { values }) {
    const { stack, keyFile } = await findFiles(context.options);
    const before = await context.readPassphrase();
    const after = await newPassphrase(context, values);
    const { pulumiEnvironment: env, log } = context.around;
    const project = typeof values["project"] === "string" ? values["project"] : ".";
    const rotation: Rotation = { keyFile, stack, project, before, after, env, log };
    try {
      if (values["dry-run"]) return planned(await planRotation(rotation));
      const actions = await rotatePassphrase(rotation);
      const text = actions.length === 0 ? "nothing to do" : `${actions.join("\n")}\ncommit the changed files`;
      return { text, json: { actions }, exitCode: EXIT.ok };
    } finally {
      before.fill(0);
      after.fill(0);
    }
  },
};

/** Typed twice, because nobody sees it. */
async function newPassphrase({ around }: Context, values: Arguments["values"]): Promise<Buffer> {
  const fd = values["new-passphrase-fd"];
  if (typeof fd === "string") {
    if (!/^\d{1,4}$/.test(fd)) throw new UserError(`--new-passphrase-fd ${fd}: not a number`, "as in 3", EXIT.usage);
    return passphraseFromFile(`--new-passphrase-fd ${fd}`, () => readFileSync(Number(fd)));
  }
  const first = await around.askSecret("New passphrase: ");
  const second = await around.askSecret("Once more: ");
  const isSame = first.equals(second);
  second.fill(0);
  if (isSame) return first;
  throw new UserError("passphrase: the two are not the same", "run again", EXIT.passphrase);
}
