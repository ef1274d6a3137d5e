import { parseArgs } from "node:util";
import { EXIT, UserError } from "../errors.ts";
import { type Choice, parseChoice } from "./restore-choice.ts";
import { type Extraction, PARTS } from "./restore-parts.ts";

/** What `restore` is asked to do: fill empty stores, or take a part out of a backup. */
export type RestoreRequest =
  | { readonly kind: "seed"; readonly request: string }
  | { readonly kind: "part"; readonly choice: Choice; readonly extraction: Extraction; readonly dryRun: boolean };

const USAGE =
  "restore --seed auto|fresh|ID|TIME; restore --only forgejo|postgres|s3|vault|repo|all [OWNER/NAME] [--at TIME|--id ID] [--dry-run]";

/** Reads what follows `restore`. @throws UserError (usage) */
export function parseRestoreLine(argv: readonly string[]): RestoreRequest {
  const { values, positionals } = parse(argv);
  const { seed: request, only, at, id, "dry-run": dryRun = false } = values;
  if (request !== undefined) {
    if (Object.keys(values).length > 1 || positionals.length > 0) throw usage("--seed stands alone");
    return { kind: "seed", request };
  }
  const part = PARTS.find((each) => each === only);
  if (part === undefined)
    throw usage(only === undefined ? "neither --seed nor --only" : `--only: unknown part ${only}`);
  if (at !== undefined && id !== undefined) throw usage("--at and --id exclude each other");
  const [repository, ...rest] = positionals;
  const takes = part === "repo" ? 1 : 0;
  if (positionals.length !== takes)
    throw usage(takes === 1 ? "repo needs OWNER/NAME" : `unexpected ${positionals.join(" ")}`);
  if (rest.length > 0 || (repository !== undefined && !/^[\w.-]+\/[\w.-]+$/.test(repository))) {
    throw usage(`not OWNER/NAME: ${positionals.join(" ")}`);
  }
  const choice = parseChoice(at === undefined ? "--id" : "--at", at ?? id ?? "newest");
  return { kind: "part", choice, extraction: { part, ...(repository !== undefined && { repository }) }, dryRun };
}

function parse(argv: readonly string[]) {
  const text = { type: "string" } as const;
  const options = { seed: text, only: text, at: text, id: text, "dry-run": { type: "boolean" } } as const;
  try {
    return parseArgs({ args: argv.filter((word) => word !== "--json"), options, allowPositionals: true });
  } catch (error) {
    throw usage((error as Error).message.split(". ")[0] ?? "");
  }
}

function usage(what: string): UserError {
  return new UserError(`restore: ${what}`, USAGE, EXIT.usage);
}
