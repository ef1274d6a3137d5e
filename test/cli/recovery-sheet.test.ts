import { expect, test } from "vitest";
import { nextSteps, passphraseNotice, recoverySheet } from "../../cli/recovery-sheet.ts";

test("recovery sheet", () => {
  const recoveryKey = "1: AAAA BBBB\n2: CCCC DDDD";
  expect(recoverySheet({ stack: "prod", keyFile: "keys/stacks/prod.key.json", date: "2026-11-21", recoveryKey }))
    .toBe(`────────────────────────────────────────────────────────────────────────
RECOVERY SHEET of the foundation "prod", 2026-11-21

Print it, keep it away from the passphrase and the repository, delete it here.
It is shown this once and stored nowhere.

    1: AAAA BBBB
    2: CCCC DDDD

With keys/stacks/prod.key.json it gives everything that the passphrase gives.
When the passphrase is lost, these lines are the only way in:

    npx foundation vault passphrase reset --stack prod
────────────────────────────────────────────────────────────────────────`);
});

test("passphrase", () => {
  expect(passphraseNotice("a-b-c")).toBe(
    "MASTER PASSPHRASE (shown this once: put it into your password manager now)\n\n    a-b-c\n",
  );
});

test("next steps", () => {
  const steps = { stack: "prod", keyFile: "keys/stacks/prod.key.json" };
  expect(nextSteps({ ...steps, passphraseFile: "/root/passphrase" }))
    .toBe(`Created keys/stacks/prod.key.json: encrypted, made to be committed. Next:

    git add keys/stacks/prod.key.json && git commit -m "Add the key file of prod"
    export PULUMI_CONFIG_PASSPHRASE_FILE=/root/passphrase
    pulumi stack init prod --secrets-provider passphrase   # then the foundation:* settings, see README.md
    npx foundation preflight --stack prod
    pulumi up --stack prod`);
});
