import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { EXIT, UserError } from "../../errors.ts";
import type { StackConfig } from "../../review/request.ts";

/** What is reviewed where no stack is committed. */
export const EXAMPLE = "review/example.yaml";

/** Names of the stacks that have a configuration in a directory. */
export function stackNames(directory: string): string[] {
  const files = readdirSync(directory).map((name) => /^Pulumi\.(.+)\.yaml$/.exec(name)?.[1]);
  return files.filter((name) => name !== undefined).toSorted();
}

/** The stack's configuration as its program would see it; undefined where it has none. @param where names the tree */
export function readStack(directory: string, stack: string, where: string): StackConfig | undefined {
  return readConfig(join(directory, `Pulumi.${stack}.yaml`), stack, `${where}: Pulumi.${stack}.yaml`);
}

/** The configuration of a stack that nobody has, with everything switched on. @param trees the first that has one gives it */
export function readExample(trees: readonly string[], where: string): StackConfig {
  const path = trees.map((tree) => join(tree, EXAMPLE)).find((candidate) => existsSync(candidate)) ?? EXAMPLE;
  const found = readConfig(path, "example", `${where}: ${EXAMPLE}`);
  if (found === undefined) throw new UserError(`${where}: ${EXAMPLE}: no such file`, `git restore -- ${EXAMPLE}`);
  return found;
}

function readConfig(path: string, stack: string, shown: string): StackConfig | undefined {
  let document: unknown;
  try {
    document = parse(readFileSync(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    const reason = (error as Error).message.split("\n", 1)[0];
    throw new UserError(`${shown}: cannot be read: ${reason}`, "correct the file", EXIT.config);
  }
  const values = (document as { config?: Record<string, unknown> } | null)?.config ?? {};
  const config = decrypted(values) as Record<string, unknown>;
  // Wherever the real key files are, the placeholder is in the directory that the program is recorded in.
  const keys = config["foundation:keyDirectory"];
  const isElsewhere = typeof keys === "string" && (keys.startsWith("/") || keys.split("/").includes(".."));
  return { stack, config: isElsewhere ? { ...config, "foundation:keyDirectory": "keys/stacks" } : config };
}

/** What Pulumi has encrypted is replaced by something that is another one when the ciphertext is. */
function decrypted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decrypted);
  if (typeof value !== "object" || value === null) return value;
  const { secure } = value as { secure?: unknown };
  if (typeof secure === "string")
    return `placeholder-${createHash("sha256").update(secure).digest("hex").slice(0, 16)}`;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, decrypted(item)]));
}
