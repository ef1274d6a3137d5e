import { EXIT } from "../../errors.ts";
import { openWithRecoveryKey } from "../../keys/keyfile.ts";
import { NEW_PASSPHRASE_FD, readNewPassphrase } from "../new-passphrase.ts";
import { planReset, type Reset, resetPassphrase, type ResetResult } from "../passphrase-reset.ts";
import { RECOVERY_FD, readRecoveryKey } from "../recovery-key-input.ts";
import { findFiles } from "../session.ts";
import { type Command, DRY_RUN, planned, PROJECT, projectOf } from "./command.ts";

export const passphraseResetCommand: Command = {
  name: "passphrase reset",
  summary: "set a new passphrase with the printed recovery key",
  description:
    "For the day when the passphrase is lost. Asks for the four lines of the recovery key, then twice for the new\n" +
    "passphrase, and changes slot 0 of the key file: Vault, its shares and all that is derived are as before. Secrets in\n" +
    "Pulumi.STACK.yaml and in the state stay under the old passphrase and are lost with it; the result says what to\n" +
    "remove and run. A run that was cut short is finished by running it again. Old versions of the key file in the\n" +
    "repository's history still open with the old passphrase.",
  options: {
    ...RECOVERY_FD,
    ...NEW_PASSPHRASE_FD,
    ...PROJECT,
    ...DRY_RUN,
  },
  operands: [],
  takesProgram: false,
  exitStatus: {
    [EXIT.passphrase]: "the recovery key is missing, wrong or mistyped, or the new passphrase is weak",
    [EXIT.config]: "a file of Pulumi's is not as it wrote it",
  },
  async run({ options, around }, { values }) {
    const { stack, keyFile } = await findFiles(options);
    const recoveryKey = await readRecoveryKey(around, values);
    // Before the new passphrase is asked for: nobody should invent one for nothing.
    const masterKey = await openWithRecoveryKey({ path: keyFile, recoveryKey });
    const after = await readNewPassphrase(around, values);
    const project = projectOf(values);
    const reset: Reset = { keyFile, stack, project, masterKey, after };
    try {
      if (values["dry-run"]) return planned(await planReset(reset));
      const result = await resetPassphrase(reset);
      return { text: describe(stack, result), json: result, exitCode: EXIT.ok };
    } finally {
      masterKey.fill(0);
      after.fill(0);
    }
  },
};

function describe(stack: string, { actions, lostLines, isStateLost }: ResetResult): string {
  const done = actions.length === 0 ? "nothing to do" : `${actions.join("\n")}\ncommit the changed files`;
  if (!isStateLost) return done;
  const remove = lostLines.map(({ line, key }) => `line ${line} (${key})`).join(", ");
  return [
    done,
    "",
    "not brought back: what Pulumi keeps under the old passphrase, in its state and as `secure:` values; derived secrets",
    "are the same without it, random ones are issued again. Start a fresh state:",
    ...(remove === "" ? [] : [`  remove from Pulumi.${stack}.yaml: ${remove}`]),
    `  pulumi stack rm ${stack} --force --preserve-config`,
    `  pulumi stack init ${stack} --secrets-provider passphrase`,
    ...lostLines.slice(1).map(({ key }) => `  pulumi config set --stack ${stack} --path --secret '${key}'`),
    `  pulumi up --stack ${stack}`,
  ].join("\n");
}
