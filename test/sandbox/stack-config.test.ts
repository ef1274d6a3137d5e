import { expect, test } from "vitest";
import { parse } from "yaml";
import { parseConfig } from "../../config.ts";
import { backupsAt, hasOffsite, runnerIsolation, stackConfig, type StackFacts } from "../../sandbox/stack-config.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const facts: StackFacts = {
  host: { address: "10.87.53.10", user: "root", port: 22, hostKey: `ssh-ed25519 ${"A".repeat(68)}` },
  offsite: { address: "10.87.53.11", user: "root", port: 22, hostKey: `ssh-ed25519 ${"B".repeat(68)}` },
  images: { caddy: `127.0.0.1:5000/foundation/caddy:2.11.4@${DIGEST}` },
  keyDirectory: "/s/keys",
};

test("is what Pulumi reads", () => {
  expect(stackConfig(facts))
    .toBe(`# Written by the sandbox; host, offsite, images and keyDirectory are rewritten by every \`up\`, the rest is yours.
# foundation:offsite: none deploys without the second host.
config:
  foundation:domain: foundation.test
  foundation:tls:
    mode: internal
  foundation:forge:
    admin: operator
    adminEmail: operator@foundation.test
    organisation: platform
    sshPort: 2222
  foundation:size: s
  foundation:host:
    address: 10.87.53.10
    user: root
    port: 22
    hostKey: ssh-ed25519 ${"A".repeat(68)}
  foundation:offsite:
    address: 10.87.53.11
    user: root
    port: 22
    hostKey: ssh-ed25519 ${"B".repeat(68)}
  foundation:images:
    caddy: 127.0.0.1:5000/foundation/caddy:2.11.4@${DIGEST}
  foundation:keyDirectory: /s/keys
`);
});

test("passes the program's own validation", () => {
  const { config } = parse(stackConfig(facts)) as { config: Record<string, unknown> };
  const raw = Object.fromEntries(Object.entries(config).map(([key, value]) => [key.replace("foundation:", ""), value]));
  expect(parseConfig(raw)).toMatchObject({
    domain: "foundation.test",
    sites: { git: "git.foundation.test" },
    offsite: { ...facts.offsite, restPort: 8000 },
    images: { caddy: facts.images.caddy },
    keyDirectory: "/s/keys",
  });
});

test("keeps what was edited, and Pulumi's salt; host, images and keys are the rig's", () => {
  const edited = stackConfig(facts)
    .replace("size: s", "size: m")
    .replace("10.87.53.10", "10.0.0.1")
    .concat("encryptionsalt: v1:abc\n");
  const again = stackConfig(facts, edited);
  expect(again).toBe(
    stackConfig(facts).replace("size: s", "size: m").replace("config:\n", "config:\n") + "encryptionsalt: v1:abc\n",
  );
});

test("keeps what was said of the offsite beside its address, and that there is to be none", () => {
  const edited = stackConfig(facts).replace("  foundation:images", "    restPort: 8443\n  foundation:images");
  expect(stackConfig(facts, edited)).toContain(`address: 10.87.53.11
    user: root
    port: 22
    hostKey: ssh-ed25519 ${"B".repeat(68)}
`);
  expect(stackConfig(facts, edited)).toContain("    restPort: 8443\n");
  const without = "config:\n  foundation:offsite: none\n";
  expect(stackConfig(facts, without)).toContain("  foundation:offsite: none\n");
  expect([hasOffsite(""), hasOffsite(edited), hasOffsite(without)]).toEqual([true, true, false]);
});

test("leaves a repository elsewhere alone, and says where the backups are", () => {
  const elsewhere =
    "config:\n  foundation:offsite:\n    repository: s3:http://10.87.53.9:9000/b\n    accessKeyId: key\n    secretAccessKey: secret-key\n";
  expect(stackConfig(facts, elsewhere)).toContain(elsewhere.slice("config:\n".length));
  expect(stackConfig(facts, elsewhere)).not.toContain("10.87.53.11");
  expect(
    [stackConfig(facts), elsewhere, "config:\n  foundation:offsite: none\n"].map((text) => backupsAt(text, "x")),
  ).toEqual(["VM offsite, x", "s3:http://10.87.53.9:9000/b", undefined]);
});

test("says whether the runner's image is needed", () => {
  const given = (runner: string) => runnerIsolation(`config:\n  foundation:runner: ${runner}\n`);
  expect(runnerIsolation("")).toBe("off");
  expect(runnerIsolation(stackConfig(facts))).toBe("off");
  expect(given("{ isolation: container }")).toBe("off");
  expect(given("{ enabled: true }")).toBe("rootless");
  expect(given('{ enabled: "true", isolation: rootless }')).toBe("rootless");
  expect(given("{ enabled: true, isolation: container }")).toBe("container");
});
