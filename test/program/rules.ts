import { commandRules } from "./rules/commands.ts";
import { containerRules } from "./rules/containers.ts";
import { graphRules } from "./rules/graph.ts";
import { networkRules } from "./rules/networks.ts";
import type { Rule } from "./rules/rule.ts";
import { seedRules } from "./rules/seed.ts";
import { secretRules } from "./rules/secrets.ts";
import { stageRules } from "./rules/stages.ts";
import { storageRules } from "./rules/storage.ts";
import { vaultRules } from "./rules/vault.ts";

/** Everything that holds of the graph whatever the configuration. */
export const RULES: readonly Rule[] = [
  ...graphRules,
  ...stageRules,
  ...containerRules,
  ...storageRules,
  ...networkRules,
  ...commandRules,
  ...secretRules,
  ...vaultRules,
  ...seedRules,
];
