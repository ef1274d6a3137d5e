import { Command } from "commander";
import { stackEnvironment } from "../deployment.ts";
import type { Rig } from "../rig.ts";
import { foundationArgv } from "../verification.ts";

/** `sandbox verify`: `foundation verify` for this stack. */
export function verifyCommand(rig: Rig): Command {
  return passedOn(rig, "verify", "use every service with its real clients, find closed ports closed (see --help)");
}

/** `sandbox creds`: `foundation creds` for this stack. */
export function credsCommand(rig: Rig): Command {
  return passedOn(rig, "creds", "where each credential lives; --show NAME prints one (see --help)");
}

/** A command of the `foundation` program, which gets all options as they are and gives the exit code. */
function passedOn(rig: Rig, name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .argument("[arguments...]")
    .allowUnknownOption()
    .helpOption(false)
    .passThroughOptions()
    .action(async (rest: string[]) => {
      const environment = stackEnvironment(rig);
      rig.exitWith(await rig.exec.attach(foundationArgv(rig.node, rig.paths, name, rest), environment));
    });
}
