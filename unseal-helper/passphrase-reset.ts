import { openKeyFile, rewrapPassphrase } from "../keys/keyfile.ts";
import { requireStrongPassphrase } from "../keys/passphrase.ts";
import { opens, readStackConfig, removeSalt, type SecretsFile } from "./pulumi-files.ts";

// The recovery key opens slot 1 of the key file and nothing else: what Pulumi keeps is under the passphrase alone, and
// stays there. The key file comes first; each step is found done by a run that comes after one that was cut short.

/** What is reset, and how. */
export interface Reset {
  readonly keyFile: string;
  readonly stack: string;
  /** directory of Pulumi.yaml */
  readonly project: string;
  /** as opened with the recovery key */
  readonly masterKey: Buffer;
  readonly after: Buffer;
  /** scrypt's N; only tests lower it */
  readonly scryptCost?: number;
}

/** A line of Pulumi.STACK.yaml that only the old passphrase opens. */
export interface LostLine {
  readonly line: number;
  readonly key: string;
}

/** What {@link resetPassphrase} leaves. */
export interface ResetResult {
  /** what was done, in order; empty where nothing was left to do */
  readonly actions: readonly string[];
  /** to be removed by hand, because something is lost with them; all in one file */
  readonly lostLines: readonly LostLine[];
  /** whether Pulumi's state, if there is one, is under the old passphrase */
  readonly isStateLost: boolean;
}

/** What would be done, in order. */
export async function planReset(reset: Reset): Promise<string[]> {
  await requireStrongPassphrase(reset.after);
  const { old } = await readConfig(reset);
  return [
    ...((await isSlotNew(reset)) ? [] : [`rewrap ${reset.keyFile}`]),
    ...(old?.secrets.length === 0 ? [`remove encryptionsalt from ${old.path}`] : []),
  ];
}

/**
 * Puts slot 0 of the key file under a new passphrase; nothing that is derived changes.
 *
 * @throws UserError (passphrase) for a weak one; (keyFile) where the key file is not of this master key
 */
export async function resetPassphrase(reset: Reset): Promise<ResetResult> {
  const { keyFile: path, masterKey, after: passphrase, scryptCost } = reset;
  await requireStrongPassphrase(passphrase);
  // Read first: a file that is not as Pulumi wrote it stops the run before anything is changed.
  const { old, isStateLost } = await readConfig(reset);
  const actions: string[] = [];
  if (!(await isSlotNew(reset))) {
    await rewrapPassphrase({ path, masterKey, passphrase, ...(scryptCost && { scryptCost }) });
    actions.push(`rewrapped ${path}`);
  }
  if (old === undefined) return { actions, lostLines: [], isStateLost };
  if (old.secrets.length > 0) return { actions, lostLines: lostLines(old), isStateLost };
  await removeSalt(old);
  return { actions: [...actions, `removed encryptionsalt from ${old.path}`], lostLines: [], isStateLost };
}

/** `old`: Pulumi's configuration, where it is not under the new passphrase. Without a salt it may once have been. */
async function readConfig({ project, stack, after }: Reset): Promise<{ old?: SecretsFile; isStateLost: boolean }> {
  const config = await readStackConfig(project, stack);
  if (config === undefined) return { isStateLost: true };
  return (await opens(config, after)) ? { isStateLost: false } : { old: config, isStateLost: true };
}

async function isSlotNew({ keyFile: path, after }: Reset): Promise<boolean> {
  const opened = await openKeyFile({ path, passphrase: after }).catch(() => undefined);
  opened?.fill(0);
  return opened !== undefined;
}

function lostLines({ text, salt, secrets }: SecretsFile): LostLine[] {
  const lines = [{ key: "encryptionsalt", ciphertext: salt }, ...secrets];
  return lines.map(({ key, ciphertext }) => ({
    key,
    line: text.slice(0, text.indexOf(ciphertext)).split("\n").length,
  }));
}
