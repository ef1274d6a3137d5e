import { Command } from "commander";
import { EXIT } from "../../errors.ts";
import type { Shell } from "../shell.ts";
import { addStackOptions, openStack, type StackOptions } from "../stack.ts";
import { collectContext } from "../verify/context.ts";
import { formatProgress, formatTable, isolationOf } from "../verify/report.ts";
import { CHECKS, chooseChecks, runChecks } from "../verify/verify.ts";

const HELP = `
CHECKS
${CHECKS.map(({ name, title }) => `  ${name.padEnd(12)} ${title}`).join("\n")}

Below them: how jobs of Actions are kept from the VM, runner: rootless, container or off.

Each check cleans up after itself. git-lfs, docker and npm are used where they are installed; for docker, its engine must
trust the CA: /etc/docker/certs.d/<git site>/ca.crt.

EXIT STATUS
  0   every check passed; a check whose client is not installed is skipped
  1   a check failed
  2   Vault is sealed, so the credentials cannot be read
  4   the passphrase is missing or does not open the key file
  7   the foundation cannot be reached`;

interface VerifyOptions extends StackOptions {
  readonly ca?: string;
  readonly json?: true;
}

/** `foundation verify`: real clients use every service, and what must be closed is found closed. */
export function verifyCommand(shell: Shell): Command {
  return addStackOptions(new Command("verify"))
    .description("prove the deployment with real clients: git, LFS, docker, npm, S3, Vault, PostgreSQL, TLS, ports")
    .argument("[checks...]", "names of checks; all of them by default")
    .option("--ca <file>", "CA of the sites, PEM; the internal CA is fetched and proven by the key file otherwise")
    .option("--json", "print the results as JSON")
    .addHelpText("after", HELP)
    .action(async (names: string[], options: VerifyOptions) => {
      const checks = chooseChecks(names);
      const stack = await openStack(shell, options);
      const context = await collectContext(shell, stack, options.ca);
      const results = await runChecks(checks, context, (result) => {
        shell.notice(formatProgress(result));
      });
      const failed = results.filter((result) => result.outcome === "failed").length;
      const runner = isolationOf(stack.config);
      const json = (): string => JSON.stringify({ results, failed, runner }, undefined, 2);
      shell.print(options.json ? json() : formatTable(results, shell.columns, runner));
      shell.exitWith(failed > 0 ? EXIT.failed : EXIT.ok);
    });
}
