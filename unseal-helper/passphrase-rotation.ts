import { EXIT, UserError } from "../errors.ts";
import { openKeyFile, rewrapPassphrase } from "../keys/keyfile.ts";
import { requireStrongPassphrase } from "../keys/passphrase.ts";
import type { ChildEnvironment } from "./exec.ts";
import { changeSecretsProvider, findPulumi } from "./pulumi-program.ts";
import { opens, type PulumiFiles, readPulumiFiles, rewrap, type SecretsFile } from "./pulumi-files.ts";

// One passphrase opens three things: Pulumi's configuration, its state, and slot 0 of the key file. Each is replaced
// atomically, in this order, and each tells by itself which passphrase opens it: that is the journal. A run that was cut
// short is finished by the same command with the same two passphrases; any other passphrase is refused.

/** What is rotated, and how. */
export interface Rotation {
  readonly keyFile: string;
  readonly stack: string;
  /** directory of Pulumi.yaml */
  readonly project: string;
  readonly before: Buffer;
  readonly after: Buffer;
  /** for the pulumi program; also names the backend */
  readonly env: ChildEnvironment;
  readonly log: (line: string) => void;
  /** scrypt's N; only tests lower it */
  readonly scryptCost?: number;
}

type Under = "old" | "new";

/** What stands under which passphrase; `undefined` where there is nothing. */
interface Places {
  readonly files: PulumiFiles;
  readonly config: Under | undefined;
  readonly state: Under | undefined;
  readonly slot: Under;
}

/** What would be done, in order; empty where everything stands under the new passphrase. */
export async function planRotation(rotation: Rotation): Promise<string[]> {
  await requireFit(rotation);
  return steps(rotation, await inspect(rotation)).map((file) => `rewrap ${file}`);
}

/**
 * Puts Pulumi's secrets and slot 0 of the key file under a new passphrase. Nothing that is derived changes.
 *
 * @returns what was done, in order; empty where nothing was left to do
 * @throws UserError (passphrase) for a weak one or one that does not open the key file; (halfDone) where an earlier
 *   rotation to another passphrase has not been finished
 */
export async function rotatePassphrase(rotation: Rotation): Promise<string[]> {
  await requireFit(rotation);
  const places = await inspect(rotation);
  const done = steps(rotation, places);
  if (places.config === "old" || places.state === "old") {
    await rotatePulumi(rotation, places);
    const { config, state } = await inspect(rotation);
    if (config === "old" || state === "old") {
      throw new UserError("pulumi: its secrets are still under the old passphrase", "run the same command again");
    }
  }
  if (places.slot === "old") await rotateSlot(rotation);
  return done.map((file) => `rewrapped ${file}`);
}

function steps({ keyFile }: Rotation, { config, state, slot, files }: Places): string[] {
  return [
    ...(config === "old" ? [files.config?.path ?? ""] : []),
    ...(state === "old" ? [files.state?.path ?? ""] : []),
    ...(config === "old" && files.isRemote ? ["the state in Pulumi's backend"] : []),
    ...(slot === "old" ? [keyFile] : []),
  ];
}

async function rotateSlot({ keyFile: path, before, after, scryptCost }: Rotation): Promise<void> {
  const masterKey = await openKeyFile({ path, passphrase: before });
  await rewrapPassphrase({ path, masterKey, passphrase: after, ...(scryptCost && { scryptCost }) });
  masterKey.fill(0);
}

async function rotatePulumi(rotation: Rotation, { files, config, state }: Places): Promise<void> {
  const { before, after } = rotation;
  const isUntouched = config === "old" && state !== "new";
  // Pulumi trims what it reads from a file or standard input.
  const isTransferable = [before, after].every((passphrase) => passphrase.toString().trim() === passphrase.toString());
  if (isUntouched && isTransferable && (await findPulumi(rotation.env))) {
    rotation.log("pulumi: stack change-secrets-provider passphrase");
    return await changeSecretsProvider(rotation);
  }
  if (files.isRemote && config === "old") {
    throw new UserError(
      "pulumi: the state is in a backend that only the pulumi program can change, and there is none",
      "install pulumi, and run the same command again",
      EXIT.config,
    );
  }
  let salt = config === "new" ? files.config?.salt : undefined;
  if (config === "old" && files.config) {
    // Of the two salts Pulumi makes one; where the state was first, its salt is the one.
    salt = await rewrap(files.config, { before, after, salt: state === "new" ? files.state?.salt : undefined });
  }
  if (state === "old" && files.state) await rewrap(files.state, { before, after, salt });
}

async function requireFit({ before, after }: Rotation): Promise<void> {
  if (before.equals(after)) throw new UserError("passphrase: the new one is the old one", "choose another", EXIT.usage);
  await requireStrongPassphrase(after);
}

async function inspect(rotation: Rotation): Promise<Places> {
  const { project, stack, env } = rotation;
  const slot = await slotUnder(rotation);
  const files = await readPulumiFiles(project, stack, env);
  const config = files.config && (await fileUnder(files.config, rotation));
  const state = files.state && (await fileUnder(files.state, rotation));
  return { files, slot, config, state };
}

async function slotUnder({ keyFile: path, before, after }: Rotation): Promise<Under> {
  try {
    (await openKeyFile({ path, passphrase: before })).fill(0);
    return "old";
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode !== EXIT.passphrase) throw error;
    const isRotated = await openKeyFile({ path, passphrase: after }).catch(() => undefined);
    if (isRotated === undefined) throw error;
    isRotated.fill(0);
    return "new";
  }
}

async function fileUnder(file: SecretsFile, { before, after }: Rotation): Promise<Under> {
  if (await opens(file, before)) return "old";
  if (await opens(file, after)) return "new";
  throw new UserError(
    `${file.path}: opens with neither passphrase`,
    "a rotation to another passphrase stopped half-way: finish that one first, or restore the file: git restore -- FILE",
    EXIT.halfDone,
  );
}
