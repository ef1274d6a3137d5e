import { Command } from "commander";
import { EXIT } from "../../errors.ts";
import { exitCodeOf, formatFinding } from "../preflight/findings.ts";
import { preflight, summarise } from "../preflight/preflight.ts";
import { parseRequest, requestOf, type PreflightRequest } from "../preflight/request.ts";
import type { Shell } from "../shell.ts";
import { addStackOptions, openStack, type StackOptions } from "../stack.ts";

const EXIT_STATUS = `
EXIT STATUS
  0   the VM is fit (warnings may have been printed)
  4   the passphrase is missing or does not open the key file
  7   the VM cannot be reached, refuses the login, or has another host key than the pinned one
  8   a container, volume or network of somebody else has one of our names
  9   the VM is unfit: operating system, disk, ports, clock, Docker, no way to become root`;

/** `foundation preflight`: everything that can be known about the VM before anything on it is changed. */
export function preflightCommand(shell: Shell): Command {
  return addStackOptions(new Command("preflight"))
    .description("check the VM, changing nothing: reachable, ours, supported, large enough, ports free, clock right")
    .option("--json", "print the facts and findings as JSON")
    .addHelpText("after", EXIT_STATUS)
    .action(async (options: StackOptions & { json?: true }) => {
      const request = await preflightRequest(shell, options);
      const { facts, findings } = await preflight(shell.run, request);
      shell.exitWith(exitCodeOf(findings));
      if (options.json) {
        shell.print(JSON.stringify({ facts, findings }, undefined, 2));
        return;
      }
      for (const finding of findings) shell.notice(formatFinding(finding));
      if (exitCodeOf(findings) === EXIT.ok && !("rootless" in facts)) {
        shell.print(`preflight: ${request.target.address} is fit: ${summarise(facts)}`);
      }
    });
}

// The Pulumi program hands over what it is about to create; a person has the configuration and the passphrase.
async function preflightRequest(shell: Shell, options: StackOptions): Promise<PreflightRequest> {
  const handedOver = shell.environment["FOUNDATION_PREFLIGHT"];
  if (handedOver) return parseRequest(handedOver);
  return requestOf(await openStack(shell, options));
}
