import { Command } from "commander";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EXIT } from "../../errors.ts";
import { knownSecrets } from "../../review/known-secrets.ts";
import type { Evidence } from "../../review/reach.ts";
import { formatAnswer, lookUp } from "../../review/why.ts";
import { recordTree } from "../review/record-tree.ts";
import { EXAMPLE, readExample, readStack } from "../review/stack-files.ts";
import type { Shell } from "../shell.ts";

const HELP = `
THINGS
  vault:foundation/PATH  a secret in Vault
  bucket:NAME            a bucket of the S3 server
  database:NAME          a database of the one server
  port:N                 a published port, or one inside the networks
  service:NAME           a container
  consumer:NAME          whoever has an AppRole and is no container, such as operator or ci

What is found is what the program of this tree registers with the stack's configuration, recorded with placeholder keys:
Vault's policies, files delivered to containers, networks, published ports. Nothing is contacted and no passphrase needed.

EXIT STATUS
  0   found
  1   the program cannot be recorded
  64  there is no such thing; those that there are are listed
  78  the configuration is invalid`;

interface WhyOptions {
  readonly stack: string;
  readonly json?: true;
}

/** `foundation why`: who reaches a secret, a bucket, a database or a port, and what a service or a consumer reaches. */
export function whyCommand(shell: Shell): Command {
  return new Command("why")
    .description("who reaches a secret, a bucket, a database or a port, and what a service or a consumer reaches")
    .argument("<thing>", "vault:PATH, bucket:NAME, database:NAME, port:N, service:NAME or consumer:NAME")
    .option("-s, --stack <name>", `name of the Pulumi stack; without its file, ${EXAMPLE} is looked at`, "prod")
    .option("--json", "print the answer as JSON")
    .addHelpText("after", HELP)
    .action(async (thing: string, options: WhyOptions) => {
      const answer = lookUp(await collectEvidence(shell, options.stack), thing);
      shell.print(options.json ? JSON.stringify(answer, undefined, 2) : formatAnswer(answer));
      shell.exitWith(EXIT.ok);
    });
}

async function collectEvidence(shell: Shell, stack: string): Promise<Evidence> {
  const [directory, name] = [shell.projectDirectory, "this tree"];
  const configured = readStack(directory, stack, name);
  if (configured === undefined) shell.notice(`why: there is no Pulumi.${stack}.yaml; looking at ${EXAMPLE}`);
  const chosen = configured ?? readExample([directory], name);
  const scratch = mkdtempSync(join(tmpdir(), "foundation-why-"));
  try {
    const [recorded] = await recordTree(shell, { name, directory, stacks: [chosen], judge: false }, scratch);
    if (recorded === undefined) throw new Error("nothing was recorded");
    const { recording } = recorded;
    return { recording, secrets: knownSecrets(recording, chosen.config) };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
