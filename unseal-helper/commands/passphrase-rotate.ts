import { EXIT } from "../../errors.ts";
import { NEW_PASSPHRASE_FD, readNewPassphrase } from "../new-passphrase.ts";
import { planRotation, rotatePassphrase, type Rotation } from "../passphrase-rotation.ts";
import { findFiles } from "../session.ts";
import { type Command, DRY_RUN, planned, PROJECT, projectOf } from "./command.ts";

export const passphraseRotateCommand: Command = {
  name: "passphrase rotate",
  summary: "put the key file and Pulumi's secrets under a new passphrase",
  description:
    "Changes slot 0 of the key file, Pulumi.STACK.yaml and the state together, with the pulumi program where there is\n" +
    "one. No secret of the foundation changes. A run that was cut short is finished by running it again with the same\n" +
    "two passphrases. Whatever was copied before stays under the old passphrase: the repository's history, Pulumi's\n" +
    "own backups, snapshots of the state.",
  options: {
    ...NEW_PASSPHRASE_FD,
    ...PROJECT,
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
    const after = await readNewPassphrase(context.around, values);
    const { pulumiEnvironment: env, log } = context.around;
    const project = projectOf(values);
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
