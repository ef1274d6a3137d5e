import { commandRules } from "./policy/commands.ts";
import { containerRules } from "./policy/containers.ts";
import { graphRules } from "./policy/graph.ts";
import { networkRules } from "./policy/networks.ts";
import type { Rule } from "./policy/rule.ts";
import { seedRules } from "./policy/seed.ts";
import { secretRules } from "./policy/secrets.ts";
import { stageRules } from "./policy/stages.ts";
import { storageRules } from "./policy/storage.ts";
import { vaultRules } from "./policy/vault.ts";

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
