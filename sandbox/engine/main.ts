import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { EXIT, UserError, type ExitCode } from "../../errors.ts";
import { passphraseFrom } from "../../keys/passphrase.ts";
import { readConfigFile } from "./config-file.ts";
import { openDrivers } from "./drivers/driver-set.ts";
import { destroy, preview, readOutputs, SANDBOX, up, type Digest, type EngineOptions } from "./engine.ts";
import type { EngineEvent } from "./journal.ts";
import { describeChanges, describeEvent, describeFailure } from "./report.ts";
import { mask, revealAll, type Properties } from "./values.ts";

const USAGE = `usage: main.ts preview|up|destroy|outputs --state FILE [--config-file FILE] [options]

  --state FILE        where the stack's state is kept
  --config-file FILE  Pulumi.sandbox.yaml; needed by all but outputs
  --project DIR       directory of index.ts (default: this repository)
  --parallel N        steps at once (default: 8)
  --json              a digest as JSON on stdout, progress on stderr
  --show-secrets      outputs: show them in clear
  --unprotect         destroy: delete protected resources too

The passphrase comes from PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE.`;

const OPTIONS = {
  state: { type: "string" },
  "config-file": { type: "string" },
  project: { type: "string" },
  parallel: { type: "string" },
  json: { type: "boolean" },
  "show-secrets": { type: "boolean" },
  unprotect: { type: "boolean" },
  help: { type: "boolean" },
} as const;

const ACTIONS = { preview, up, destroy };

interface CommandLine {
  readonly command: string;
  readonly state: string;
  readonly configFile: string;
  readonly project: string;
  readonly parallel: number;
  readonly json: boolean;
  readonly showSecrets: boolean;
  readonly unprotect: boolean;
}

async function main(): Promise<ExitCode> {
  const line = parseCommandLine();
  if (!line) {
    console.log(USAGE);
    return EXIT.ok;
  }
  const passphrase = passphraseFrom(process.env, (path) => readFileSync(path));
  if (line.command === "outputs") {
    printOutputs(await readOutputs(line.state, passphrase), line.showSecrets);
    return EXIT.ok;
  }
  const action = ACTIONS[line.command as keyof typeof ACTIONS];
  // The SDK reads it when it is loaded; programs ask for it by pulumi.runtime.getRootDirectory().
  process.env["PULUMI_NODEJS_ROOT_DIRECTORY"] = line.project;
  process.chdir(line.project);
  const digest = await deploy(action, line, passphrase);
  const print = line.json ? console.error : console.log;
  for (const failure of digest.failures)
    describeFailure(failure).forEach((text) => {
      print(text);
    });
  if (line.json) console.log(JSON.stringify(digest, null, 2));
  else
    console.log(
      `${line.command}: ${describeChanges(digest.changes, line.command === "preview")}  (${digest.durationSeconds.toFixed(1)}s)`,
    );
  if (digest.result === "interrupted") return EXIT.interrupted;
  return digest.failures[0]?.exitCode ?? EXIT.ok;
}

async function deploy(
  action: (options: EngineOptions & { unprotect?: boolean }) => Promise<Digest>,
  line: CommandLine,
  passphrase: Buffer,
): Promise<Digest> {
  const drivers = openDrivers({ projectDirectory: line.project, environment: process.env });
  const stop = new AbortController();
  const defects: unknown[] = [];
  const interrupt = (): void => {
    if (stop.signal.aborted) {
      drivers.close();
      process.exit(EXIT.interrupted);
    }
    console.error("interrupted: finishing what has begun; press Ctrl-C again to leave it as it is");
    stop.abort();
  };
  // An error inside `apply` surfaces here. What runs is finished and saved, as after an interruption.
  const unhandled = (error: unknown): void => {
    if (!defects.includes(error)) defects.push(error);
    stop.abort();
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt).on("unhandledRejection", unhandled);
  // Loaded while the key of the state file is derived: together they are most of what a run without changes takes.
  const program = loadProgram(line.project);
  program.catch(() => undefined);
  try {
    const digest = await action({
      ...{ stack: SANDBOX, stateFile: line.state, passphrase, drivers, signal: stop.signal },
      ...{ parallel: line.parallel, unprotect: line.unprotect, config: readConfigFile(line.configFile) },
      program: async () => (await program)(),
      onEvent: printEvent(line.json ? console.error : console.log),
    });
    if (defects.length > 0) throw defects[0];
    return digest;
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
    drivers.close();
  }
}

async function loadProgram(project: string): Promise<() => unknown> {
  const path = join(project, "index.ts");
  const module = (await import(pathToFileURL(path).href)) as { default?: unknown };
  if (typeof module.default !== "function") {
    throw new UserError(`program ${path}: has no default export that is a function`, "export default async function");
  }
  return module.default as () => unknown;
}

function printEvent(print: (line: string) => void): (event: EngineEvent) => void {
  return (event) => {
    describeEvent(event).forEach((line) => {
      print(line);
    });
  };
}

function printOutputs(outputs: Properties, showSecrets: boolean): void {
  console.log(JSON.stringify(showSecrets ? revealAll(outputs) : mask(outputs), null, 2));
}

/** Undefined when help is asked for. */
function parseCommandLine(): CommandLine | undefined {
  const { values, positionals } = parseArguments();
  if (values.help) return undefined;
  const [command, ...rest] = positionals;
  if (command === undefined || rest.length > 0 || ![...Object.keys(ACTIONS), "outputs"].includes(command)) {
    throw usage(command === undefined ? "no command given" : `not a command: ${positionals.join(" ")}`);
  }
  const { state, "config-file": configFile } = values;
  if (state === undefined) throw usage("--state is missing");
  if (configFile === undefined && command !== "outputs") throw usage("--config-file is missing");
  const parallel = Number(values.parallel ?? 8);
  if (!Number.isInteger(parallel) || parallel < 1)
    throw usage(`--parallel: not a number above 0: ${values.parallel ?? ""}`);
  const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  return {
    ...{ command, parallel, state: resolve(state), configFile: resolve(configFile ?? ""), json: values.json ?? false },
    ...{ project: resolve(values.project ?? repository), showSecrets: values["show-secrets"] ?? false },
    unprotect: values.unprotect ?? false,
  };
}

function parseArguments() {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw usage((error as Error).message);
  }
}

function usage(what: string): UserError {
  return new UserError(`engine: ${what}`, "see `main.ts --help`", EXIT.usage);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(`error: ${error.message}\nhint: ${error.hint}`);
  process.exitCode = error.exitCode;
}
// The program may have left something behind that keeps the process alive, such as the tunnel to Vault.
process.exit();
