import type { z } from "zod";
import { EXIT, UserError } from "../errors.ts";

/**
 * Reads what the Pulumi program hands over to a command in an environment variable.
 *
 * @param hint what to do where it is not as the program writes it
 * @throws UserError (config) naming each wrong property
 */
export function parseProgramRequest<T>(schema: z.ZodType<T>, variable: string, json: string, hint: string): T {
  const invalid = (what: string) => new UserError(`${variable}: ${what}`, hint, EXIT.config);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw invalid("not JSON");
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw invalid(parsed.error.issues.map((issue) => [...issue.path, issue.message].join(": ")).join("; "));
}
