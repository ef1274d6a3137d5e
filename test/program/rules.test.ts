import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandBreakages } from "./breakages/commands.ts";
import { containerBreakages } from "./breakages/containers.ts";
import { graphBreakages, stageBreakages } from "./breakages/graph.ts";
import { Graph, type Breakages } from "./breakages/graph-copy.ts";
import { networkBreakages } from "./breakages/networks.ts";
import { seedBreakages } from "./breakages/seed.ts";
import { secretBreakages } from "./breakages/secrets.ts";
import { storageBreakages } from "./breakages/storage.ts";
import { vaultBreakages } from "./breakages/vault.ts";
import { generate } from "../../review/placeholders.ts";
import { CONFIG, CONSUMERS, createFixture, OFFSITE, PASSPHRASE, REPOSITORY, type Fixture } from "./fixture.ts";
import { RULES } from "../../review/policy.ts";
import type { Run } from "../../review/policy/rule.ts";
import { encodings } from "../../review/policy/secrets.ts";

const BREAKAGES: Breakages = {
  ...graphBreakages,
  ...stageBreakages,
  ...containerBreakages,
  ...storageBreakages,
  ...networkBreakages,
  ...commandBreakages,
  ...secretBreakages,
  ...vaultBreakages,
  ...seedBreakages,
};

let fixture: Fixture;
/** with everything that can be switched on */
let whole: Run;
beforeAll(async () => {
  fixture = await createFixture();
  whole = await fixture.run("up", { runner: { enabled: true }, ...OFFSITE, ...CONSUMERS });
});
afterAll(() => fixture.remove());

const violations = (run: Run): string[] =>
  RULES.flatMap(({ name, check }) => check(run).map((line) => `${name}: ${line}`));

describe("the program breaks no rule", () => {
  it("when everything is switched on", () => expect(violations(whole)).toEqual([]));

  const runs: [string, ...Parameters<Fixture["run"]>][] = [
    ["in the first preview", "preview"],
    ["in a later preview", "repreview"],
    ["with a repository that somebody else keeps", "up", REPOSITORY],
    ["with certificates by ACME", "up", { tls: { mode: "acme", email: "ops@example.org" } }],
    [
      "with certificates from files, as a user with sudo, in another network",
      "up",
      {
        tls: { mode: "files", certificate: "/etc/ssl/site/cert.pem", key: "/etc/ssl/site/key.pem" },
        host: { ...(CONFIG.host as object), user: "debian", port: 2022 },
        subnet: "10.9.0.0/16",
        size: "l",
      },
    ],
  ];
  it.each(runs)("%s", async (_, ...args) => expect(violations(await fixture.run(...args))).toEqual([]));
});

describe("every rule reports what breaks it", () => {
  it("each has a breakage, and no breakage is without a rule", () => {
    expect(Object.keys(BREAKAGES).sort()).toEqual(RULES.map(({ name }) => name).sort());
  });

  const cases = RULES.flatMap(({ name, check }) =>
    (BREAKAGES[name] ?? []).map(([damage, ...says]) => ({
      name,
      says: says.join("; "),
      check,
      damage,
      expected: says,
    })),
  );
  it.each(cases)("$name: $says", ({ check, damage, expected }) => {
    const graph = new Graph(whole);
    damage(graph);
    expect(check(graph.run as Run)).toEqual(expected);
  });
});

describe("the secrets that are looked for", () => {
  it("are those that the program handles: each but these is found in an input, where it is secret", () => {
    const texts = whole.resources.flatMap(({ inputs, secrets }) =>
      secrets.length > 0 ? [JSON.stringify(inputs)] : [],
    );
    const unused = whole.knownSecrets.filter(
      (secret) => !encodings(secret).some((encoding) => texts.some((text) => text.includes(encoding))),
    );
    expect(unused).toEqual([
      PASSPHRASE,
      fixture.derived.fileFingerprintKey.toString("hex"),
      // The unseal helper hands these to Vault.
      ...["ci", "forgejo", "operator", "postgres", "rustfs"].map((role) => fixture.derived.vaultAppRole(role).secretId),
      // Only hashes of these are ever written.
      generate("forgejo-lfs-secret"),
      generate("forgejo-oauth-secret"),
      generate("runner-secret"),
    ]);
  });

  it("are recognised in JSON, in hexadecimal and in base64 at every offset", () => {
    const secret = 'a "secret" of\nmine??>>';
    for (const prefix of ["", "1", "22", "333"]) {
      const text = Buffer.from(`${prefix}${secret}~tail`);
      for (const form of [
        text.toString(),
        JSON.stringify(text.toString()),
        text.toString("hex"),
        text.toString("base64"),
        text.toString("base64url"),
      ])
        expect(encodings(secret).filter((encoding) => form.includes(encoding))).not.toEqual([]);
    }
  });
});
