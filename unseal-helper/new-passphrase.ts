import { EXIT, UserError } from "../errors.ts";
import { passphraseFromFile } from "../keys/passphrase.ts";
import type { Arguments, Option } from "./commands/command.ts";
import { readDescriptor } from "./descriptor.ts";
import type { Surroundings } from "./session.ts";

/** The option of every command that sets a passphrase. */
export const NEW_PASSPHRASE_FD: Readonly<Record<"new-passphrase-fd", Option>> = {
  "new-passphrase-fd": { type: "string", value: "N", summary: "read the new one from this file descriptor" },
};

/**
 * The passphrase that is to be: from the descriptor, else typed twice, because nobody sees it.
 *
 * @throws UserError (passphrase) where the two differ or it is empty; (usage) for a bad descriptor or no terminal
 */
export async function readNewPassphrase(
  { askSecret }: Pick<Surroundings, "askSecret">,
  { "new-passphrase-fd": fd }: Arguments["values"],
): Promise<Buffer> {
  if (typeof fd === "string") {
    const option = "--new-passphrase-fd";
    const bytes = readDescriptor(option, fd);
    return passphraseFromFile(`${option} ${fd}`, () => bytes, `as in ${option} 3 3< FILE`);
  }
  const first = await askSecret("New passphrase: ");
  const second = await askSecret("Once more: ");
  const isSame = first.equals(second);
  second.fill(0);
  if (isSame) return first;
  throw new UserError("passphrase: the two are not the same", "run the same command again", EXIT.passphrase);
}
