import { expect, test } from "vitest";
import { EXIT } from "../../errors.ts";
import { foundation } from "./foundation.ts";

const OWN = [
  ...["init", "preflight", "review", "up", "verify", "why", "creds", "repository", "consumer"],
  ...["backup", "restore", "drill", "dr", "offsite"],
];

test("--help lists the commands and documents every exit code", async () => {
  const { exitCode, stdout } = await foundation(["--help"]);
  expect(exitCode).toBe(EXIT.ok);
  const commands = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name);
  expect(commands).toEqual([...OWN, "vault", "sandbox", "help"]);
  const documented = [...stdout.slice(stdout.indexOf("EXIT STATUS")).matchAll(/^ {2}(\d+)/gm)].map(([, code]) =>
    Number(code),
  );
  expect(documented).toEqual(Object.values(EXIT));
});

test("every command of its own has help with its exit codes", async () => {
  for (const command of OWN) {
    const { exitCode, stdout } = await foundation([command, "--help"]);
    expect([command, exitCode]).toEqual([command, EXIT.ok]);
    expect(stdout).toMatch(/\nEXIT STATUS\n {2}0 /);
  }
});

test.each<[string[], number, string]>([
  [["deploy"], EXIT.usage, "error: unknown command 'deploy'\nhint: foundation --help\n"],
  [["creds", "--all"], EXIT.usage, "error: unknown option '--all'\nhint: foundation creds --help\n"],
  [
    ["verify", "git", "s3"],
    EXIT.usage,
    "error: verify: no such check: git\n" +
      "hint: one or more of: tls, git-https, git-ssh, lfs, docker, npm, s3, vault, vault-paths, database, ports\n",
  ],
  [["backup", "later"], EXIT.usage, "error: unknown command 'later'\nhint: foundation backup --help\n"],
  [["backup", "list", "--all"], EXIT.usage, "error: unknown option '--all'\nhint: foundation backup list --help\n"],
  [
    ["restore", "--only", "s3", "--into", "x"],
    EXIT.usage,
    "error: restore: --host-key and --into go with --to\nhint: npx foundation restore --help\n",
  ],
  [
    ["dr", "fetch", "--offsite", "root@a b", "--host-key", "x", "--out", "y"],
    EXIT.usage,
    "error: dr: not a host: root@a b\nhint: --offsite user@host:port\n",
  ],
  [
    ["dr", "fetch", "--offsite", "root@a", "--host-key", "x", "--out", "y"],
    EXIT.usage,
    "error: dr: not a public host key: x\n" +
      "hint: it is on the printed runbook; or, from a network that you trust: ssh-keyscan -t ed25519 -p 22 a\n",
  ],
  [
    ["consumer", "kit", "team", "--reveal"],
    EXIT.usage,
    "error: consumer kit: standard output is not a terminal, and a secret does not belong into a log\n" +
      "hint: if it is meant: npx foundation consumer kit team --reveal --force\n",
  ],
  [
    ["consumer", "kit", "team", "--flavor", "helm"],
    EXIT.usage,
    "error: option '--flavor <name>' argument 'helm' is invalid. Allowed choices are argocd, flux, all.\n" +
      "hint: foundation consumer kit --help\n",
  ],
  ...["0m", "25h", "1d", "90"].map((ttl): [string[], number, string] => [
    ["consumer", "ci-login", "team", "--ttl", ttl],
    EXIT.usage,
    `error: consumer ci-login: not a time from 1m to 24h: ${ttl}\nhint: --ttl 1h\n`,
  ]),
  [
    ["creds", "--show", "root"],
    EXIT.usage,
    "error: creds: no such credential: root\n" +
      "hint: one of: forge-user, forge-password, s3-access-key, s3-secret-key, database-user, database-password\n",
  ],
  [
    ["creds", "--show", "forge-password"],
    EXIT.usage,
    "error: creds: standard output is not a terminal, and a secret does not belong into a log\n" +
      "hint: if it is meant: npx foundation creds --show forge-password --force\n",
  ],
  [
    ["verify", "--stack", "none-such"],
    EXIT.config,
    "error: Pulumi.none-such.yaml: no such file\n" +
      "hint: a new stack: pulumi stack init none-such --secrets-provider passphrase; another one: --stack NAME\n",
  ],
])("foundation %s", async (args, exitCode, stderr) => {
  expect(await foundation(args)).toEqual({ exitCode, stdout: "", stderr });
});
