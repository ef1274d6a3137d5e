import { isRecord, isSecret, MASK, reveal, type Value } from "./values.ts";

/** Shorter strings ("root", "5432") are parts of ordinary words; as secrets they would not be worth much. */
const SHORTEST = 6;
/** Among the values of an object or of JSON: a word of the field, such as `"user_claim": "repository"` of a role of Vault's. */
const WORD = /^[a-z]{1,15}$/;

/**
 * Removes known secrets from text. The drivers are written so that none gets into a message; this is for what others
 * say: a program on the VM that quotes its input, a service that logs its password.
 */
export class Redactor {
  readonly #secrets = new Set<string>();

  /** Learns all secrets in a value, and what is in those that are JSON or have several lines. */
  learn(value: Value | undefined): void {
    if (value === undefined) return;
    if (isSecret(value)) this.#learnText(reveal(value));
    else if (Array.isArray(value))
      value.forEach((inner) => {
        this.learn(inner);
      });
    else if (isRecord(value))
      Object.values(value).forEach((inner) => {
        this.learn(inner);
      });
  }

  /** The text with every known secret masked, longer ones first. */
  clean(text: string): string {
    const found = [...this.#secrets].filter((each) => text.includes(each)).toSorted((a, b) => b.length - a.length);
    return found.reduce((cleaned, each) => cleaned.replaceAll(each, MASK), text);
  }

  #learnText(value: Value): void {
    if (typeof value === "object") {
      const members = Object.values(value ?? {}).filter((inner) => typeof inner !== "string" || !WORD.test(inner));
      for (const inner of members) this.#learnText(inner);
      return;
    }
    const secret = String(value);
    if (secret.length < SHORTEST) return;
    this.#secrets.add(secret);
    const parsed = secret.startsWith("{") ? parseJson(secret) : undefined;
    if (parsed !== undefined) this.#learnText(parsed);
  }
}

function parseJson(text: string): Value | undefined {
  try {
    return JSON.parse(text) as Value;
  } catch {
    return undefined;
  }
}
