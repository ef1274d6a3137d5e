import { Command } from "commander";
import { EXIT, UserError } from "../../errors.ts";
import { readClone, short, type Clone } from "../repository/clone.ts";
import { formatStatus, statusOf } from "../repository/format.ts";
import { withOwnForge } from "../repository/own-forge.ts";
import { bringUpToDate, planRepository, type PlanRequest } from "../repository/repository.ts";
import type { Shell } from "../shell.ts";
import { addStackOptions, openStack, type OpenStack, type StackOptions } from "../stack.ts";

const HELP = `
The forge keeps this repository itself: main, protected, and a tag deployed/STACK/TIME for each commit that was deployed.
\`foundation up\` does this at its end; \`push\` is for after a pulumi up of its own.

EXIT STATUS
  0   the forge has the commit on main; status: nothing is to do
  1   the forge or git refused something
  2   the forge has the commit, but not on main; status: something is to do; or Vault is sealed
  4   the passphrase is missing or does not open the key file
  7   the foundation cannot be reached
  8   main and the commit have diverged, or the clone is shallow; nothing was overwritten
  78  invalid configuration, or there is to be no repository`;

interface RepositoryOptions extends StackOptions {
  readonly ca?: string;
  readonly json?: true;
  readonly remote: boolean;
}

/** `foundation repository`: the foundation's own repository in its own forge. */
export function repositoryCommand(shell: Shell): Command {
  return new Command("repository")
    .description("this repository in the foundation's own forge: push it there, or say how it is")
    .addHelpText("after", HELP)
    .addCommand(pushCommand(shell))
    .addCommand(statusCommand(shell));
}

function pushCommand(shell: Shell): Command {
  return withOptions(new Command("push"))
    .description("push what is checked out, protect main, record the commit as deployed")
    .action(async (options: RepositoryOptions) => {
      const { stack, request } = await prepare(shell, options);
      const status = await withOwnForge(shell, stack, options.ca, async (forge) => {
        const { steps } = await bringUpToDate(shell, forge, request);
        const after = await planRepository(shell, forge, request);
        return { ...statusOf(forge, request.clone, after), done: steps.map(({ what }) => what) };
      });
      const { kind } = status.relation;
      const isOnMain = kind === "same" || kind === "behind";
      const text = `${status.repository} has ${short(status.commit)}${isOnMain ? " on main" : ", not on main"}`;
      shell.print(options.json ? JSON.stringify(status, undefined, 2) : text);
      shell.exitWith(isOnMain ? EXIT.ok : EXIT.attention);
    });
}

function statusCommand(shell: Shell): Command {
  return withOptions(new Command("status"))
    .description("how the forge's repository and this clone stand to each other; changes nothing")
    .action(async (options: RepositoryOptions) => {
      const { stack, request } = await prepare(shell, options);
      const status = await withOwnForge(shell, stack, options.ca, async (forge) =>
        statusOf(forge, request.clone, await planRepository(shell, forge, request)),
      );
      shell.print(options.json ? JSON.stringify(status, undefined, 2) : formatStatus(status));
      shell.exitWith(status.toDo.length === 0 && status.obstacle === null ? EXIT.ok : EXIT.attention);
    });
}

async function prepare(
  shell: Shell,
  options: RepositoryOptions,
): Promise<{ stack: OpenStack; request: PlanRequest & { clone: Clone } }> {
  const stack = await openStack(shell, options);
  if (stack.config.forge.repository === "none") {
    const hint = "pulumi config set --path foundation:forge.repository foundation";
    throw new UserError("repository: foundation:forge.repository is none", hint, EXIT.config);
  }
  const clone = await readClone(shell);
  if ("reason" in clone)
    throw new UserError(`repository: ${clone.reason}`, "git clone the repository, and deploy from there");
  return { stack, request: { stack: stack.name, clone, time: new Date(), withRemote: options.remote } };
}

const withOptions = (command: Command): Command =>
  addStackOptions(command)
    .option("--no-remote", "leave the remotes of this clone alone")
    .option("--ca <file>", "CA of the sites, PEM; fetched and proven by the key file otherwise")
    .option("--json", "print the result as JSON");
