import { Command } from "commander";
import type { Shell } from "../shell.ts";

/** A command that is a program of its own: it gets the arguments as they are and gives the exit code. */
export function passthroughCommand(shell: Shell, name: string, script: string, description: string): Command {
  return new Command(name)
    .description(description)
    .argument("[arguments...]")
    .allowUnknownOption()
    .helpOption(false)
    .passThroughOptions()
    .action(async (args: readonly string[]) => {
      shell.exitWith(await shell.runScript(script, args));
    });
}
