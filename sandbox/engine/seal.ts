import { randomBytes, scrypt } from "node:crypto";
import { openSecret, sealSecret } from "../../keys/sealed-box.ts";
import type { Value } from "./values.ts";

/** How the key of a state file follows from the passphrase; stored in the file, nothing of it is secret. */
export interface SealHeader {
  readonly kdf: "scrypt";
  /** scrypt's N; memory is 1 KiB of it each */
  readonly cost: number;
  /** base64 of 16 bytes */
  readonly salt: string;
  /** opens with the right key only */
  readonly check: string;
}

/** 128 MiB and a third of a second: a stolen state file must not be a cheaper way to the passphrase than the key file. */
const DEFAULT_COST = 2 ** 17;
/** An altered header must not make the next run take all memory. */
const HIGHEST_COST = 2 ** 20;
const CHECK = "foundation sandbox state";

/**
 * Encrypts the secrets of one state file with AES-256-GCM.
 *
 * A secret is bound to its place, so ciphertext that was moved does not open. What did not change keeps its ciphertext,
 * so that a state file that is saved again differs only where something happened.
 */
export class Seal {
  readonly header: SealHeader;
  readonly #key: Buffer;
  readonly #known = new Map<string, string>();

  private constructor(header: SealHeader, key: Buffer) {
    this.header = header;
    this.#key = key;
  }

  /** A seal for a new state file. */
  static async create(passphrase: Buffer, cost = DEFAULT_COST): Promise<Seal> {
    const salt = randomBytes(16).toString("base64");
    const key = await deriveKey(passphrase, salt, cost);
    return new Seal({ kdf: "scrypt", cost, salt, check: sealSecret(key, CHECK, Buffer.from(CHECK)) }, key);
  }

  /** The seal of an existing state file; `undefined` when the passphrase is not the one it was made with. */
  static async open(header: SealHeader, passphrase: Buffer): Promise<Seal | undefined> {
    if (!(header.cost <= HIGHEST_COST)) return undefined;
    const key = await deriveKey(passphrase, header.salt, header.cost);
    return openSecret(key, CHECK, header.check) ? new Seal(header, key) : undefined;
  }

  /** @param place where in the state file the secret is, by names that do not change */
  encrypt(place: string, value: Value): string {
    const text = JSON.stringify(value);
    const known = `${place}\n${text}`;
    const sealed = this.#known.get(known) ?? sealSecret(this.#key, place, Buffer.from(text));
    this.#known.set(known, sealed);
    return sealed;
  }

  /** The secret of {@link encrypt}; `undefined` where the text was altered or moved. */
  decrypt(place: string, sealed: string): Value | undefined {
    const text = openSecret(this.#key, place, sealed)?.toString();
    if (text === undefined) return undefined;
    this.#known.set(`${place}\n${text}`, sealed);
    return JSON.parse(text) as Value;
  }
}

function deriveKey(passphrase: Buffer, salt: string, cost: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { N: cost, r: 8, p: 1, maxmem: 2 * 128 * 8 * cost };
    scrypt(passphrase, Buffer.from(salt, "base64"), 32, options, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });
}
