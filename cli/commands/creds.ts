import Table from "cli-table3";
import { Command } from "commander";
import { EXIT, UserError } from "../../errors.ts";
import { createHttp } from "../http.ts";
import type { Shell } from "../shell.ts";
import { addStackOptions, openStack, type StackOptions } from "../stack.ts";
import { loginToVault } from "../vault-client.ts";
import { certificateOf, CREDENTIAL_PATHS } from "../verify/context.ts";

/** One credential: where it lives and what it opens. */
interface Credential {
  readonly name: string;
  readonly path: string;
  readonly field: string;
  readonly opens: string;
}

const CREDENTIALS: readonly Credential[] = [
  { name: "forge-user", path: CREDENTIAL_PATHS.forge, field: "username", opens: "the forge's administrator" },
  { name: "forge-password", path: CREDENTIAL_PATHS.forge, field: "password", opens: "the forge's administrator" },
  { name: "s3-access-key", path: CREDENTIAL_PATHS.s3, field: "accessKey", opens: "the S3 store" },
  { name: "s3-secret-key", path: CREDENTIAL_PATHS.s3, field: "secretKey", opens: "the S3 store" },
  { name: "database-user", path: CREDENTIAL_PATHS.database, field: "username", opens: "PostgreSQL's superuser" },
  { name: "database-password", path: CREDENTIAL_PATHS.database, field: "password", opens: "PostgreSQL's superuser" },
];

const EXIT_STATUS = `
EXIT STATUS
  0   done
  2   Vault is sealed
  4   the passphrase is missing or does not open the key file
  7   Vault cannot be reached
  64  no such credential, or --show into a file or pipe without --force`;

interface CredsOptions extends StackOptions {
  readonly ca?: string;
  readonly show?: string;
  readonly force?: true;
  readonly json?: true;
}

/** `foundation creds`: where every credential lives; one of them on request. */
export function credsCommand(shell: Shell): Command {
  return addStackOptions(new Command("creds"))
    .description("say where each credential lives; --show NAME reads one from Vault")
    .option("--show <name>", "print this one")
    .option("--force", "print it also where standard output is no terminal")
    .option("--ca <file>", "CA of the sites, PEM; fetched and proven by the key file otherwise")
    .option("--json", "print the list as JSON")
    .addHelpText("after", EXIT_STATUS)
    .action(async (options: CredsOptions) => {
      if (options.show !== undefined) await show(shell, options, options.show);
      else shell.print(options.json ? JSON.stringify(CREDENTIALS, undefined, 2) : formatCredentials(CREDENTIALS));
    });
}

async function show(shell: Shell, options: CredsOptions, name: string): Promise<void> {
  const credential = CREDENTIALS.find((candidate) => candidate.name === name);
  if (credential === undefined) {
    const names = CREDENTIALS.map((candidate) => candidate.name).join(", ");
    throw new UserError(`creds: no such credential: ${name}`, `one of: ${names}`, EXIT.usage);
  }
  if (!shell.isInteractive && !options.force) {
    throw new UserError(
      "creds: standard output is not a terminal, and a secret does not belong into a log",
      `if it is meant: npx foundation creds --show ${name} --force`,
      EXIT.usage,
    );
  }
  const stack = await openStack(shell, options);
  const http = createHttp(await certificateOf(shell, stack, options.ca), shell.interrupted);
  const session = await loginToVault(
    http,
    `https://${stack.config.sites.vault}`,
    stack.secrets.vaultAppRole("operator"),
  );
  const values = await session.read(credential.path);
  await session.end();
  shell.print(values[credential.field] ?? "");
}

/** The list for people. */
export function formatCredentials(credentials: readonly Credential[]): string {
  const table = new Table({ head: ["name", "opens", "in Vault", "field"], style: { head: [], border: [] } });
  for (const { name, opens, path, field } of credentials) table.push([name, opens, `foundation/${path}`, field]);
  return `${table.toString()}
Read one: npx foundation creds --show NAME, or vault kv get foundation/PATH.
The master passphrase is nowhere but with you; everything else follows from it and the key file.`;
}
