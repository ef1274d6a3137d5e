import { randomInt } from "node:crypto";
import { EXIT, UserError } from "../errors.ts";

/** Words of a generated passphrase: 7 × log2(7776) = 90.5 bits. */
export const GENERATED_WORDS = 7;
/** What a passphrase of one's own must be worth, as estimated; six diceware words. */
export const MINIMUM_BITS = 77;

const VARIABLE = "PULUMI_CONFIG_PASSPHRASE";
const FILE_VARIABLE = "PULUMI_CONFIG_PASSPHRASE_FILE";
const HOW_TO_SET = `export ${VARIABLE}=… or ${FILE_VARIABLE}=PATH`;

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether the environment names a passphrase at all, be it a bad one. */
export function isPassphraseSet(env: Environment): boolean {
  return env[VARIABLE] !== undefined || (env[FILE_VARIABLE] ?? "") !== "";
}

/**
 * The master passphrase by Pulumi's own rules: the variable byte for byte, else the content of the file without
 * white space around it. Unlike Pulumi an empty one is refused.
 *
 * @throws UserError (passphrase) where there is none, it is empty, not UTF-8, or its file cannot be read
 */
export function passphraseFrom(env: Environment, readFile: (path: string) => Buffer): Buffer {
  const direct = env[VARIABLE];
  if (direct !== undefined) return checked(VARIABLE, direct);
  const path = env[FILE_VARIABLE] ?? "";
  if (path === "") throw refused("passphrase: none given", HOW_TO_SET);
  return passphraseFromFile(`${FILE_VARIABLE} ${path}`, () => readFile(path));
}

/**
 * A passphrase that is the content of a file, by the rules of {@link passphraseFrom}.
 *
 * @param where names the file in messages
 * @param hint how to give one
 * @throws UserError (passphrase)
 */
export function passphraseFromFile(where: string, read: () => Buffer, hint = HOW_TO_SET): Buffer {
  let bytes: Buffer;
  try {
    bytes = read();
  } catch (error) {
    throw refused(`${where}: cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`, hint);
  }
  const text = bytes.toString();
  if (!Buffer.from(text).equals(bytes)) throw refused(`${where}: not UTF-8 text`, hint);
  return checked(where, trimAsGo(text), hint);
}

/** A new passphrase of seven words, joined by hyphens so that no shell needs quotes for it. */
export async function generatePassphrase(): Promise<string> {
  const { dictionary } = await import("@zxcvbn-ts/language-common");
  const words = dictionary["diceware-common"];
  if (words.length !== 7776) throw new Error(`the diceware list has ${words.length} words, not 7776`);
  return Array.from({ length: GENERATED_WORDS }, () => words[randomInt(words.length)]).join("-");
}

/**
 * Refuses a passphrase that could be guessed: the key file is committed, so guessing is offline.
 *
 * @throws UserError (passphrase) below {@link MINIMUM_BITS}
 */
export async function requireStrongPassphrase(passphrase: Buffer): Promise<void> {
  const bits = await estimateBits(passphrase.toString());
  if (bits >= MINIMUM_BITS) return;
  throw refused(
    `passphrase: too weak: about ${Math.floor(bits)} bits, at least ${MINIMUM_BITS} are needed`,
    "let `npx foundation init` generate one (7 words, 90 bits), or use at least 6 words drawn at random",
  );
}

/** Bits of entropy as the zxcvbn algorithm sees them, at most what an attacker who knows our word list needs. */
export async function estimateBits(passphrase: string): Promise<number> {
  const estimator = await (loadedEstimator ??= loadEstimator());
  // Separators between words cost an attacker next to nothing, but the estimator counts them as random characters.
  const variants = [passphrase, passphrase.replace(/(?<=\p{L})[\s._-]+(?=\p{L})/gu, "")];
  return Math.min(...variants.map((variant) => estimator.check(variant).guessesLog10 * Math.log2(10)));
}

// Half a second and some megabytes, which only the choice of a passphrase needs.
let loadedEstimator: ReturnType<typeof loadEstimator> | undefined;

async function loadEstimator() {
  const [{ ZxcvbnFactory }, common, english] = await Promise.all([
    import("@zxcvbn-ts/core"),
    import("@zxcvbn-ts/language-common"),
    import("@zxcvbn-ts/language-en"),
  ]);
  const { "diceware-common": diceware, ...passwords } = common.dictionary;
  return new ZxcvbnFactory({
    // The name "diceware" makes the estimator count a word as five dice and not by its place in the alphabet.
    dictionary: { ...passwords, ...english.dictionary, diceware },
    graphs: common.adjacencyGraphs,
  });
}

function checked(where: string, passphrase: string, hint = HOW_TO_SET): Buffer {
  if (passphrase === "") throw refused(`${where}: the passphrase is empty`, hint);
  // Node replaces bytes of the environment that are not UTF-8; Pulumi would use the bytes, and the two would differ.
  if (passphrase.includes("\ufffd")) throw refused(`${where}: the passphrase is not UTF-8 text`, hint);
  return Buffer.from(passphrase);
}

/** Go's strings.TrimSpace, which Pulumi uses: unlike trim() it removes U+0085 and keeps U+FEFF. */
function trimAsGo(text: string): string {
  const space = "[\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
  return text.replace(new RegExp(`^${space}+|${space}+$`, "g"), "");
}

function refused(message: string, hint: string): UserError {
  return new UserError(message, hint, EXIT.passphrase);
}
