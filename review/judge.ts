import { knownSecrets } from "./known-secrets.ts";
import { RULES } from "./policy.ts";
import type { Recording } from "./record.ts";
import type { StackConfig } from "./request.ts";

/** Every rule that a graph recorded with placeholders breaks: `<rule>: <Type> <name>: <what is wrong>`. */
export function judge(recording: Recording, config: StackConfig["config"]): string[] {
  const run = { ...recording, knownSecrets: knownSecrets(recording, config).flatMap(({ forms }) => forms) };
  return RULES.flatMap(({ name, check }) => check(run).map((line) => `${name}: ${line}`));
}
