import { UserError } from "../../../errors.ts";
import { text } from "../driver.ts";
import { UNKNOWN, type Properties } from "../values.ts";

/** Checks the input `dataJson` of a resource. @throws UserError where it is known and is not a JSON object */
export function requireObject(inputs: Properties, { label }: { readonly label: string }): void {
  const json = text(inputs["dataJson"]);
  if (json !== UNKNOWN && !isObject(json))
    throw new UserError(`${label}: dataJson: not a JSON object`, "pass pulumi.jsonStringify of an object");
}

function isObject(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
