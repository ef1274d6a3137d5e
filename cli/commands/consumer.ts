import Table from "cli-table3";
import { Command, Option } from "commander";
import type { Consumer } from "../../config-consumers.ts";
import { EXIT, UserError } from "../../errors.ts";
import { issueCiLogin } from "../consumer/ci-login.ts";
import { FLAVORS, formatKit, type Flavor } from "../consumer/kit.ts";
import { createHttp } from "../http.ts";
import type { Shell } from "../shell.ts";
import { addStackOptions, loadStack, openStack, type OpenStack, type StackOptions } from "../stack.ts";
import { loginToVault } from "../vault-client.ts";
import { certificateOf } from "../verify/context.ts";

const EXIT_STATUS = `
EXIT STATUS
  0   done
  2   Vault is sealed
  4   the passphrase is missing or does not open the key file
  7   Vault cannot be reached
  8   ci-login: the forge vouches for its jobs, and nothing has to be stored
  64  no such consumer, a lifetime that is none, or --reveal into a file or pipe without --force`;

interface KitOptions extends StackOptions {
  readonly flavor: Flavor;
  readonly reveal?: true;
  readonly force?: true;
  readonly ca?: string;
}

interface CiLoginOptions extends StackOptions {
  readonly ttl: string;
  readonly ca?: string;
}

/** `foundation consumer`: what tenants are declared, and what a cluster needs to become one. */
export function consumerCommand(shell: Shell): Command {
  const list = addStackOptions(new Command("list"))
    .description("the declared consumers and what each is granted")
    .option("--json", "print them as JSON")
    .action(async (options: StackOptions & { readonly json?: true }) => {
      const { consumers } = (await loadStack(shell, options)).config;
      shell.print(options.json ? JSON.stringify(consumers, undefined, 2) : formatConsumers(consumers));
    });
  const kit = addStackOptions(new Command("kit"))
    .description("manifests that attach a Kubernetes cluster; secrets are fetched from Vault by External Secrets")
    .argument("<name>", "name of the consumer")
    .addOption(new Option("--flavor <name>", "what reads its repositories").choices(FLAVORS).default("all"))
    .option("--reveal", "print the secrets themselves, for a cluster that cannot fetch them yet")
    .option("--force", "with --reveal: also where standard output is no terminal")
    .option("--ca <file>", "CA of the sites, PEM; fetched and proven by the key file otherwise")
    .action((name: string, options: KitOptions) => printKit(shell, name, options));
  const ciLogin = addStackOptions(new Command("ci-login"))
    .description("fallback where the forge does not vouch for jobs: a short-lived login at Vault as secrets of Actions")
    .argument("<name>", "name of the consumer")
    .option("--ttl <time>", "how long it is good for, 1m to 24h", "1h")
    .option("--ca <file>", "CA of the sites, PEM; fetched and proven by the key file otherwise")
    .action((name: string, options: CiLoginOptions) => logInJobs(shell, name, options));
  return new Command("consumer")
    .description("tenants of the foundation: what they are granted, and how a cluster is attached")
    .addHelpText("after", EXIT_STATUS)
    .addCommand(list)
    .addCommand(kit)
    .addCommand(ciLogin);
}

async function printKit(shell: Shell, name: string, options: KitOptions): Promise<void> {
  const { flavor, reveal, force } = options;
  if (reveal && !shell.isInteractive && !force) {
    throw new UserError(
      "consumer kit: standard output is not a terminal, and a secret does not belong into a log",
      `if it is meant: npx foundation consumer kit ${name} --reveal --force`,
      EXIT.usage,
    );
  }
  const consumer = find((await loadStack(shell, options)).config.consumers, name);
  const stack = await openStack(shell, options);
  const ca = await certificateOf(shell, stack, options.ca);
  const { roleId, secretId } = stack.secrets.vaultAppRole(consumer.vaultRole);
  const about = { consumer, sites: stack.config.sites, ca, flavor, roleId };
  const revealed = reveal ? { secretId, token: await tokenOf(shell, stack, ca, consumer) } : undefined;
  // Ends with a line end of its own.
  shell.print(formatKit(revealed ? { ...about, revealed } : about).trimEnd());
}

async function logInJobs(shell: Shell, name: string, options: CiLoginOptions): Promise<void> {
  const { ttl } = options;
  const [, number, unit] = /^([1-9]\d{0,3})([mh])$/.exec(ttl) ?? [];
  if (number === undefined || Number(number) * (unit === "h" ? 60 : 1) > 24 * 60)
    throw new UserError(`consumer ci-login: not a time from 1m to 24h: ${ttl}`, "--ttl 1h", EXIT.usage);
  const consumer = find((await loadStack(shell, options)).config.consumers, name);
  const stack = await openStack(shell, options);
  const ca = await certificateOf(shell, stack, options.ca);
  const { sites } = stack.config;
  const lines = await issueCiLogin({
    ...{ sites, consumer, ttl },
    roleId: stack.secrets.vaultAppRole(consumer.jobsRole).roleId,
    program: stack.secrets.vaultAppRole("pulumi"),
    http: createHttp(ca, shell.interrupted),
    httpForCleanup: createHttp(ca),
  });
  for (const line of lines) shell.print(line);
}

function find(consumers: readonly Consumer[], name: string): Consumer {
  const consumer = consumers.find((candidate) => candidate.name === name);
  if (consumer !== undefined) return consumer;
  const names = consumers.map((candidate) => candidate.name).join(", ");
  throw new UserError(
    `consumer: no such consumer: ${name}`,
    names === "" ? "declare it: docs/how-to.md, Attach a consumer" : `one of: ${names}`,
    EXIT.usage,
  );
}

async function tokenOf(shell: Shell, stack: OpenStack, ca: string | undefined, consumer: Consumer): Promise<string> {
  const http = createHttp(ca, shell.interrupted);
  const operator = stack.secrets.vaultAppRole("operator");
  const session = await loginToVault(http, `https://${stack.config.sites.vault}`, operator);
  const { token = "" } = await session.read(`consumers/${consumer.name}/forge`);
  await session.end();
  return token;
}

/** The list for people. */
export function formatConsumers(consumers: readonly Consumer[]): string {
  if (consumers.length === 0) return "No consumers are declared (docs/how-to.md, Attach a consumer).";
  const table = new Table({
    head: ["name", "at the forge", "buckets", "database", "in Vault", "webhooks"],
    style: { head: [], border: [] },
  });
  for (const consumer of consumers) {
    const { name, organisation, access, repositories, buckets, database, webhooks } = consumer;
    table.push([
      name,
      `${organisation}, ${access}: ${repositories.join(", ") || "no repository"}`,
      buckets.map((bucket) => bucket.name).join(", ") || "–",
      database ?? "–",
      `foundation/consumers/${name}/`,
      String(webhooks.length),
    ]);
  }
  return table.toString();
}
