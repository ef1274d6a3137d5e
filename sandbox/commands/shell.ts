import { Command } from "commander";
import { quoteWord, sshArguments } from "../../ssh-target.ts";
import { EXIT, UserError } from "../../errors.ts";
import { inspectContainer } from "../docker.ts";
import { NETWORK } from "../network.ts";
import type { Rig } from "../rig.ts";
import { containerOf } from "../vm/machine.ts";
import { ensureAgent } from "../vm/ssh-agent.ts";
import { sshTarget } from "../vm/ssh-keys.ts";

/** `sandbox ssh`: a shell, or one command, in a VM. */
export function sshCommand(rig: Rig): Command {
  return new Command("ssh")
    .description("a shell in a VM, or a command line for the shell there: ssh offsite 'df -h | head'")
    .argument("[vm]", "name of the VM", "prod")
    .argument("[command...]", "command and arguments")
    .passThroughOptions()
    .action(async (vm: string, command: string[]) => {
      const { argv, environment } = await sshTo(rig, vm);
      if (command[0] === "--") command.shift();
      const terminal = command.length === 0 ? ["-t"] : [];
      rig.exitWith(await rig.exec.attach(["ssh", ...terminal, ...argv, ...command], environment));
    });
}

/** `sandbox logs`: what a service says. */
export function logsCommand(rig: Rig): Command {
  return new Command("logs")
    .description("logs of a service: postgres, rustfs, vault, forgejo, caddy, runner")
    .argument("<service>")
    .option("-f, --follow", "go on until Ctrl-C")
    .option("-n, --tail <lines>", "how many lines", "100")
    .action(async (service: string, options: { follow?: true; tail: string }) => {
      const { argv, environment } = await sshTo(rig, "prod");
      const logs = ["docker", "logs", ...(options.follow ? ["--follow"] : []), "--tail", options.tail, service];
      rig.exitWith(await rig.exec.attach(["ssh", ...argv, ...logs.map(quoteWord)], environment));
    });
}

/** Arguments of ssh for a running VM. @throws UserError when it does not run */
export async function sshTo(rig: Rig, vm: string): Promise<{ argv: string[]; environment: Record<string, string> }> {
  const address = await inspectContainer(
    rig.exec,
    containerOf(vm),
    `{{if .State.Running}}{{(index .NetworkSettings.Networks "${NETWORK}").IPAddress}}{{end}}`,
  );
  if (!address) {
    const what = address === undefined ? "there is no such VM" : "the VM does not run";
    const fix = address === undefined ? "npm run sandbox" : "npm run sandbox start";
    throw new UserError(`vm ${vm}: ${what}`, fix, EXIT.unreachable);
  }
  const target = await sshTarget(rig, vm, address);
  return { argv: sshArguments(target), environment: { SSH_AUTH_SOCK: await ensureAgent(rig) } };
}
