import { expect, test } from "vitest";
import { jobsRow, parseServices } from "../../../sandbox/commands/status.ts";
import { quoteWord } from "../../../ssh-target.ts";
import { formatSummary } from "../../../sandbox/summary.ts";
import { sandboxFiles } from "../../../sandbox/files.ts";
import { findPaths } from "../../../sandbox/paths.ts";
import { requireRoot } from "../../../sandbox/rig.ts";
import { testRig } from "../test-rig.ts";

test("a service is good when it is up and not unhealthy", () => {
  const output =
    "vault\tUp 2 minutes (unhealthy)\npostgres\tUp 2 minutes (healthy)\ncaddy\tExited (1) 3 seconds ago\n\n";
  expect(parseServices(output)).toEqual([
    { what: "  caddy", state: "Exited (1) 3 seconds ago", good: false },
    { what: "  postgres", state: "Up 2 minutes (healthy)", good: true },
    { what: "  vault", state: "Up 2 minutes (unhealthy)", good: false },
  ]);
});

test.each(["rootless", "container", "off"] as const)("jobs of Actions are said to be isolated: %s", (isolation) => {
  expect(jobsRow(isolation)).toEqual({ what: "  jobs of Actions", state: `runner: ${isolation}`, good: true });
});

test.each([
  ["plain-word_1:/x", "plain-word_1:/x"],
  ["two words", "'two words'"],
  ["it's", "'it'\\''s'"],
  ["$(rm)", "'$(rm)'"],
  ["", "''"],
])("the remote shell gets %j as %s", (word, quoted) => {
  expect(quoteWord(word)).toBe(quoted);
});

test("without root there is one clear error", () => {
  expect(() => {
    requireRoot(testRig({}, 1000));
  }).toThrow(
    expect.objectContaining({
      message:
        "sandbox: not running as root, which installing Docker, building Debian file systems and /etc/hosts need",
      hint: "sudo npm run sandbox",
      exitCode: 9,
    }),
  );
});

test("the summary says what everything really is", () => {
  const text = formatSummary({
    engine: { kind: "embedded" },
    images: [
      { image: "caddy", reference: "r/foundation/caddy:1@sha256:a", production: "caddy:1", actual: "caddy:1" },
      {
        image: "forgejo",
        reference: "r/foundation/gitea:1@sha256:a",
        production: "forgejo:15",
        actual: "gitea 1.26.0",
      },
      {
        image: "restic",
        reference: "r/foundation/restic:1@sha256:a",
        production: "restic:1",
        actual: "restic 0.19.1",
      },
    ],
    offsite: "VM offsite, 10.87.53.11",
    phases: [{ what: "images", seconds: 60.4 }],
    seconds: 99.6,
    files: sandboxFiles(findPaths({ HOME: "/h", FOUNDATION_SANDBOX_DIR: "/s" }, "/src")),
  });
  expect(text).toBe(`┌───────────────────────────┬────────────────────────────────────┐
│ service                   │ address                            │
│ landing page              │ https://foundation.test            │
│ git, OCI and npm registry │ https://git.foundation.test        │
│ git over SSH              │ ssh://git@git.foundation.test:2222 │
│ Vault                     │ https://vault.foundation.test      │
│ S3                        │ https://s3.foundation.test         │
│ backups                   │ VM offsite, 10.87.53.11            │
└───────────────────────────┴────────────────────────────────────┘
┌─────────┬────────────┬───────────────────────────────────┐
│ image   │ production │ here                              │
│ caddy   │ caddy:1    │ the same                          │
│ forgejo │ forgejo:15 │ gitea 1.26.0, made from packages  │
│ restic  │ restic:1   │ restic 0.19.1, made from packages │
└─────────┴────────────┴───────────────────────────────────┘
Deployed by the engine embedded in the sandbox, because the Pulumi CLI and its plugins are not installed.
Master passphrase: /s/passphrase    CA of the sites: /s/ca.crt
Credentials: npm run sandbox creds    Shell in the VM: npm run sandbox ssh    Away with it: npm run sandbox destroy
┌────────┬───────┐
│ phase  │ time  │
│ images │ 60 s  │
│ total  │ 100 s │
└────────┴───────┘`);
});
