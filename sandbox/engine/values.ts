/**
 * Property values as the Pulumi SDK puts them on the wire: JSON in which a secret is an object with a signature and
 * a value that is not known yet is one particular string. The engine keeps them in this form everywhere; drivers get
 * them revealed.
 */
export type Value = null | boolean | number | string | Value[] | { [key: string]: Value };

/** Named values: the inputs or the outputs of a resource. */
export type Properties = Record<string, Value>;

// The SDK's runtime/rpc defines these; they are part of its protocol and the same in every release.
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
const RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e";

/** Stands for a value that is not known before the deployment. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** What is printed in place of a secret. */
export const MASK = "[secret]";

interface Secret {
  [SIGNATURE]: typeof SECRET;
  value: Value;
  [key: string]: Value;
}

/** Marks a value as secret; one that already is stays as it is. */
export function secret(value: Value): Value {
  return isSecret(value) ? value : { [SIGNATURE]: SECRET, value };
}

/** Whether the value as a whole is secret. */
export function isSecret(value: Value | undefined): value is Secret {
  return isRecord(value) && value[SIGNATURE] === SECRET;
}

/** Whether the value is an object with keys, which a secret is too. */
export function isRecord(value: Value | undefined): value is { [key: string]: Value } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value without its secrets' marks, at every depth. */
export function reveal(value: Value): Value {
  if (isSecret(value)) return reveal(value.value);
  return mapInside(value, reveal);
}

/** The properties without their secrets' marks. */
export function revealAll(properties: Properties): Properties {
  return reveal(properties) as Properties;
}

/** The value as it may be shown: secrets masked, unknown values as Pulumi prints them. */
export function mask(value: Value): Value {
  if (isSecret(value)) return MASK;
  if (value === UNKNOWN) return "output<string>";
  return mapInside(value, mask);
}

/** Whether there is a secret anywhere in the value. */
export function hasSecret(value: Value | undefined): boolean {
  return isSecret(value) || inside(value).some(hasSecret);
}

/** Whether there is an unknown value anywhere in the value. */
export function hasUnknown(value: Value | undefined): boolean {
  return value === UNKNOWN || inside(value).some(hasUnknown);
}

/**
 * A value from a request of the SDK: references to resources become what a provider would get (the id, a component's URN).
 *
 * @throws Error for assets and archives, which none of the supported resources takes
 */
export function fromWire(value: Value): Value {
  if (isRecord(value) && value[SIGNATURE] === RESOURCE) return value["id"] || value["urn"] || UNKNOWN;
  if (isRecord(value) && SIGNATURE in value && !isSecret(value))
    throw new Error("assets and archives are not supported");
  // A secret within a secret says nothing more, and one layer is all that anybody expects.
  if (isSecret(value)) return secret(reveal(fromWire(value.value)));
  return mapInside(value, fromWire);
}

function mapInside(value: Value, change: (value: Value) => Value): Value {
  if (Array.isArray(value)) return value.map(change);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, change(inner)]));
}

function inside(value: Value | undefined): Value[] {
  if (Array.isArray(value)) return value;
  return isRecord(value) ? Object.values(value) : [];
}
