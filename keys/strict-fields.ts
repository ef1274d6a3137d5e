import { damaged } from "./signed-document.ts";

/** Field readers for a committed file: each returns a checked value or throws the error for a damaged file. */
export class StrictFields {
  readonly #where: string;
  readonly #at: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  /**
   * @param where the file's path
   * @param at the position in it, as in `slots[0]`; empty for the file itself
   * @param names each must be present
   * @param optional names that may be present as well; no others are allowed
   */
  constructor(where: string, at: string, value: unknown, names: readonly string[], optional: readonly string[] = []) {
    this.#where = where;
    this.#at = at === "" ? "" : `${at}.`;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw damaged(where, `${at || "it"} is not an object`);
    }
    this.#fields = value as Record<string, unknown>;
    for (const name of names) if (!(name in value)) throw damaged(where, `${this.#at}${name} is missing`);
    for (const name of Object.keys(value)) {
      if (!names.includes(name) && !optional.includes(name)) throw damaged(where, `${this.#at}${name} is not known`);
    }
  }

  /** A field that has exactly one legal value. */
  literal<T extends string | number>(name: string, expected: T): T {
    if (this.#fields[name] !== expected) throw this.#error(name, `not ${JSON.stringify(expected)}`);
    return expected;
  }

  /** A field that has one of a few legal values. */
  oneOf<T extends string>(name: string, expected: readonly T[]): T {
    const found = expected.find((value) => value === this.#fields[name]);
    if (found === undefined) throw this.#error(name, `not one of ${expected.join(", ")}`);
    return found;
  }

  string(name: string, pattern: RegExp): string {
    const value = this.#fields[name];
    if (typeof value !== "string" || !pattern.test(value)) throw this.#error(name, "malformed");
    return value;
  }

  integer(name: string, min: number, max: number): number {
    const value = this.#fields[name];
    if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
      throw this.#error(name, `not a whole number from ${min} to ${max}`);
    }
    return value;
  }

  /** Base64 of exactly so many bytes; the text itself, because it is decoded where it is used. */
  base64(name: string, bytes: number): string {
    const value = this.#fields[name];
    if (typeof value !== "string" || Buffer.from(value, "base64").toString("base64") !== value) {
      throw this.#error(name, "not base64");
    }
    if (Buffer.byteLength(value, "base64") !== bytes) throw this.#error(name, `not ${bytes} bytes`);
    return value;
  }

  array(name: string): readonly unknown[] {
    const value = this.#fields[name];
    if (!Array.isArray(value)) throw this.#error(name, "not a list");
    return value;
  }

  has(name: string): boolean {
    return name in this.#fields;
  }

  isNull(name: string): boolean {
    return this.#fields[name] === null;
  }

  value(name: string): unknown {
    return this.#fields[name];
  }

  #error(name: string, what: string): Error {
    return damaged(this.#where, `${this.#at}${name} is ${what}`);
  }
}
