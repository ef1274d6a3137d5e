import { EXIT } from "../../errors.ts";
import type { Shell } from "../shell.ts";
import type { StackOptions } from "../stack.ts";
import { stackFilePath } from "../stack.ts";

/** How a deployment is asked for. */
export interface DeployOptions extends StackOptions {
  readonly yes?: true;
  /** state of the sandbox's embedded engine, which then deploys instead of Pulumi */
  readonly embeddedState?: string;
}

/**
 * Command line of whatever deploys: Pulumi, or the engine of the sandbox, which takes no other stack than the sandbox's.
 *
 * @param rest arguments of the operator's, as they are
 */
export function deployArgv(
  shell: Shell,
  verb: "up" | "preview",
  options: DeployOptions,
  rest: readonly string[],
): string[] {
  const configFile = stackFilePath(shell, options);
  if (options.embeddedState !== undefined) {
    const state = ["--state", options.embeddedState, "--config-file", configFile];
    return ["node", "sandbox/engine/main.ts", verb, ...state, ...rest];
  }
  const config = options.configFile === undefined ? [] : ["--config-file", configFile];
  const yes = options.yes && verb === "up" ? ["--yes"] : [];
  return ["pulumi", verb, "--stack", options.stack, ...config, ...yes, ...rest];
}

/** Runs it on this terminal. @returns its exit code; 130 after Ctrl-C, whatever it says itself */
export async function deploy(shell: Shell, argv: readonly string[]): Promise<number> {
  const [program = "", ...args] = argv;
  const code = await shell.attach(program, args, shell.projectDirectory);
  return shell.interrupted.aborted ? EXIT.interrupted : code;
}
