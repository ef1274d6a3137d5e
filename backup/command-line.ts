import { parseArgs } from "node:util";
import { EXIT, UserError } from "../errors.ts";

/** What the job is asked to do. */
export type Request =
  | { readonly command: "serve" }
  /** rebuilt: compares what runs with the backup that it began with */
  | { readonly command: "run" | "list" | "rebuilt"; readonly json: boolean }
  /** metrics: in the format of Prometheus */
  | { readonly command: "status"; readonly json: boolean; readonly metrics: boolean }
  /** keep: what was restored stays, for a further check */
  | { readonly command: "drill"; readonly json: boolean; readonly keep: boolean }
  /** force: however much it is */
  | { readonly command: "collect"; readonly json: boolean; readonly force: boolean }
  | { readonly command: "info"; readonly json: boolean; readonly id: string }
  | { readonly command: "check"; readonly json: boolean; readonly part: string | undefined };

const USAGE =
  "serve | run | list | info ID | check [--read-data-subset N/T] | status [--metrics] | drill [--keep] | rebuilt | collect [--force], each with --json";

/** Reads the command line. @throws UserError (usage) */
export function parseCommandLine(argv: readonly string[]): Request {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(argv);
  } catch (error) {
    throw usage((error as Error).message.split(".")[0] ?? "");
  }
  const { positionals, values } = parsed;
  const [command = "serve", id, ...rest] = positionals;
  const { json = false, keep = false, force = false, metrics = false, "read-data-subset": part } = values;
  if (rest.length > 0) throw usage(`too many arguments: ${rest.join(" ")}`);
  if (part !== undefined && (command !== "check" || !/^[1-9]\d*\/[1-9]\d*$/.test(part))) {
    throw usage(`--read-data-subset: ${command === "check" ? `not N/T: ${part}` : `not an option of ${command}`}`);
  }
  if (keep && command !== "drill") throw usage(`--keep: not an option of ${command}`);
  if (force && command !== "collect") throw usage(`--force: not an option of ${command}`);
  if (metrics && command !== "status") throw usage(`--metrics: not an option of ${command}`);
  if (command === "info") {
    if (id === undefined || !/^[0-9a-f]{4,64}$/.test(id)) throw usage(`info: not an id: ${id ?? "none given"}`);
    return { command, json, id };
  }
  if (id !== undefined) throw usage(`too many arguments: ${id}`);
  switch (command) {
    case "serve":
      return { command };
    case "run":
    case "list":
    case "rebuilt":
      return { command, json };
    case "status":
      return { command, json, metrics };
    case "drill":
      return { command, json, keep };
    case "collect":
      return { command, json, force };
    case "check":
      return { command, json, part };
    default:
      throw usage(`unknown command: ${command}`);
  }
}

function parse(argv: readonly string[]) {
  const options = {
    json: { type: "boolean" },
    keep: { type: "boolean" },
    force: { type: "boolean" },
    metrics: { type: "boolean" },
    "read-data-subset": { type: "string" },
  } as const;
  return parseArgs({ args: [...argv], options, allowPositionals: true });
}

function usage(what: string): UserError {
  return new UserError(`backup: ${what}`, USAGE, EXIT.usage);
}
