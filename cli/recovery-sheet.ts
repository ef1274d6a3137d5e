/** The sheet of paper that opens the key file when the passphrase is lost. */
export function recoverySheet(args: { stack: string; keyFile: string; date: string; recoveryKey: string }): string {
  const rule = "─".repeat(72);
  const key = args.recoveryKey.replaceAll(/^/gm, "    ");
  return `${rule}
RECOVERY SHEET of the foundation "${args.stack}", ${args.date}

Print it, keep it away from the passphrase and the repository, delete it here.
It is shown this once and stored nowhere.

${key}

With ${args.keyFile} it gives everything that the passphrase gives.
When the passphrase is lost, these lines are the only way in:

    npx foundation vault passphrase reset --stack ${args.stack}
${rule}`;
}

/** Shows a generated passphrase, once. */
export function passphraseNotice(passphrase: string): string {
  return `MASTER PASSPHRASE (shown this once: put it into your password manager now)

    ${passphrase}
`;
}

/** What to do after `init`, as commands. */
export function nextSteps(args: { stack: string; keyFile: string; passphraseFile: string | undefined }): string {
  const environment =
    args.passphraseFile === undefined
      ? "read -rs PULUMI_CONFIG_PASSPHRASE && export PULUMI_CONFIG_PASSPHRASE"
      : `export PULUMI_CONFIG_PASSPHRASE_FILE=${args.passphraseFile}`;
  return `Created ${args.keyFile}: encrypted, made to be committed. Next:

    git add ${args.keyFile} && git commit -m "Add the key file of ${args.stack}"
    ${environment}
    pulumi stack init ${args.stack} --secrets-provider passphrase   # then the foundation:* settings, see README.md
    npx foundation preflight --stack ${args.stack}
    pulumi up --stack ${args.stack}`;
}
