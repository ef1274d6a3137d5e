import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { EXIT, UserError } from "../../errors.ts";

/**
 * Reads the `config` map of a Pulumi.STACK.yaml, so that the real CLI and this engine are configured by the same file.
 *
 * @returns values by full key (`foundation:domain`), of any kind
 * @throws UserError (config) when it cannot be read or holds encrypted values
 */
export function readConfigFile(path: string): Record<string, unknown> {
  let content: unknown;
  try {
    content = parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw invalid(path, `cannot be read: ${(error as Error).message}`, "name the stack's Pulumi.sandbox.yaml");
  }
  const config = isMap(content) ? content["config"] : undefined;
  if (!isMap(config))
    throw invalid(path, "has no map `config`", "put the values below `config:`, as `pulumi config set` does");
  const encrypted = Object.keys(config).find((key) => {
    const value = config[key];
    return isMap(value) && "secure" in value;
  });
  if (encrypted !== undefined) {
    throw invalid(
      path,
      `${encrypted} is encrypted`,
      "the sandbox's engine takes plain values only; secrets are derived or generated",
    );
  }
  return config;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(path: string, what: string, hint: string): UserError {
  return new UserError(`config ${path}: ${what}`, hint, EXIT.config);
}
