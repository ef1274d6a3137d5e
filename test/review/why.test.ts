import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readExample } from "../../cli/review/stack-files.ts";
import { EXIT } from "../../errors.ts";
import foundation from "../../index.ts";
import { knownSecrets } from "../../review/known-secrets.ts";
import { PASSPHRASE, placeholderKeyFile } from "../../review/placeholder-key.ts";
import { computed } from "../../review/placeholders.ts";
import { covers, links, type Evidence } from "../../review/reach.ts";
import { record } from "../../review/record.ts";
import { formatAnswer, lookUp } from "../../review/why.ts";
import { CONSUMERS } from "../program/fixture.ts";

let directory: string;
let evidence: Evidence;
let withConsumers: Evidence;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "why-"));
  writeFileSync(join(directory, "test.key.json"), await placeholderKeyFile("test"));
  process.env.PULUMI_CONFIG_PASSPHRASE = PASSPHRASE;
  evidence = await collect({});
  withConsumers = await collect(CONSUMERS);
});

async function collect(changes: Record<string, unknown>): Promise<Evidence> {
  const example = readExample([join(import.meta.dirname, "../..")], "the tests").config;
  const own = Object.entries({ keyDirectory: directory, ...changes }).map(([key, value]) => [
    `foundation:${key}`,
    value,
  ]);
  const config = { ...example, ...Object.fromEntries(own) } as Record<string, unknown>;
  const options = { mode: "repreview", config } as const;
  const recording = await record(foundation, { ...options, computed: (type, name) => computed(type, name) });
  return { recording, secrets: knownSecrets(recording, config) };
}
afterAll(() => rmSync(directory, { recursive: true }));

const why = (subject: string): string => formatAnswer(lookUp(evidence, subject));

describe("the question and the whole answer", () => {
  it.each([
    [
      "a secret that services have as a file, and people in Vault",
      `vault:foundation/rustfs/root
is reached by
  consumer:operator  AppRole operator, policy operator: read
  service:backup     accessKey in file s3_access_key; secretKey in file s3_secret_key
  service:forgejo    accessKey in file app.ini; secretKey in file app.ini
  service:rustfs     accessKey in file access_key; secretKey in file secret_key; AppRole rustfs, policy rustfs: read
reaches
  bucket:forgejo     holds its keys`,
    ],
    [
      "a secret of which a service has no file",
      `vault:foundation/forgejo/admin
is reached by
  consumer:operator  AppRole operator, policy operator: read
  service:forgejo    AppRole forgejo, policy forgejo: read`,
    ],
    [
      "a secret that people wrote",
      `vault:foundation/ci/deploy
is reached by
  consumer:ci        AppRole ci, policy ci: read; jobs of platform/* at refs/heads/main by push or release or schedule or workflow_dispatch, policy ci: read
  consumer:operator  AppRole operator, policy operator: read`,
    ],
    [
      "the one that the backup may write",
      `vault:foundation/backup/canary
is reached by
  consumer:operator  AppRole operator, policy operator: read
  service:backup     AppRole backup, policy backup: create, update, read`,
    ],
    [
      "a bucket",
      `bucket:forgejo
is reached by
  service:backup                s3-access-key in file s3_access_key; s3-secret-key in file s3_secret_key
  service:forgejo               s3-access-key in file app.ini; s3-secret-key in file app.ini
  service:rustfs                s3-access-key in file access_key; s3-secret-key in file secret_key
  vault:foundation/rustfs/root  holds its keys`,
    ],
    [
      "a database",
      `database:forgejo
is reached by
  service:backup                       backup-database-password in file postgres_password, which reads it
  service:forgejo                      forgejo-database-password in file app.ini
  service:postgres                     postgres-superuser-password in file superuser_password
  vault:foundation/forgejo/database    holds its password
  vault:foundation/postgres/superuser  holds the superuser's password`,
    ],
    [
      "a secret that opens every database",
      `vault:foundation/postgres/superuser
is reached by
  consumer:operator  AppRole operator, policy operator: read
  service:postgres   password in file superuser_password; AppRole postgres, policy postgres: read
reaches
  database:backup    holds the superuser's password
  database:forgejo   holds the superuser's password`,
    ],
    [
      "a port that is open to everybody",
      `port:2222
is reached by
  everybody        tcp, 0.0.0.0
reaches
  service:forgejo  published, tcp`,
    ],
    [
      "a port that is open to nobody outside",
      `port:5432
is reached by
  service:backup    network postgres-backup
  service:forgejo   network postgres-forgejo
reaches
  service:postgres  inside the networks`,
    ],
    [
      "Vault's, which is both",
      `port:8200
is reached by
  service:backup    network vault-backup
  service:caddy     network caddy-vault
  who is on the VM  tcp, 127.0.0.1
reaches
  service:vault     published, tcp; inside the networks`,
    ],
    [
      "a service that reaches nothing but the web server",
      `service:runner
is reached by
  service:caddy  network runner-caddy
reaches
  service:caddy  network runner-caddy`,
    ],
    [
      "whoever has an AppRole",
      `consumer:ci
reaches
  vault:foundation/ci/*  AppRole ci, policy ci: read; jobs of platform/* at refs/heads/main by push or release or schedule or workflow_dispatch, policy ci: read`,
    ],
  ])("%s", (_, answer) => expect(why(answer.split("\n", 1)[0] ?? "")).toBe(answer));
});

it("every link is found from both of its ends", () => {
  for (const { from, to, how } of links(evidence)) {
    if (from.includes(":")) {
      const there = lookUp(evidence, from).reaches.find(({ what }) => what === to);
      expect(there?.how).toContain(how);
    }
    const back = lookUp(evidence, to).reachedBy.find(({ what }) => what === from);
    expect(back?.how).toContain(how);
  }
});

describe("a consumer that was declared", () => {
  it("reaches what it was issued and nothing else", () => {
    const { reachedBy, reaches } = lookUp(withConsumers, "consumer:cluster");
    expect([reachedBy, reaches.map(({ what }) => what)]).toEqual([
      [],
      [
        "bucket:loki",
        "bucket:velero",
        "database:cluster",
        "vault:foundation/consumers/cluster/*",
        "vault:foundation/consumers/cluster/app/*",
        "vault:foundation/consumers/cluster/database",
        "vault:foundation/consumers/cluster/forge",
        "vault:foundation/consumers/cluster/s3",
        "vault:foundation/consumers/cluster/vault",
        "vault:foundation/consumers/cluster/webhook",
      ],
    ]);
  });

  it("has its secrets in jobs too, by repository, ref and event", () => {
    const secret = lookUp(withConsumers, "vault:foundation/consumers/cluster/forge");
    expect(secret.reachedBy.find(({ what }) => what === "consumer:cluster")?.how).toEqual([
      "AppRole consumer-cluster--2, policy consumer-cluster--2: read",
      "AppRole jobs-cluster, policy consumer-cluster--2: read",
      "jobs of clusters/fleet or clusters/infra at refs/heads/main or refs/tags/v* by push or schedule, " +
        "policy consumer-cluster--2: read",
    ]);
    const login = lookUp(withConsumers, "vault:foundation/consumers/cluster/vault");
    expect(login.reachedBy.find(({ what }) => what === "consumer:cluster")?.how).toEqual([
      "AppRole consumer-cluster--2, policy consumer-cluster--2: read",
    ]);
  });

  it("is found from its bucket, beside those who hold the keys of all buckets", () => {
    const { reachedBy } = lookUp(withConsumers, "bucket:velero");
    expect(reachedBy.map(({ what }) => what)).toEqual([
      "consumer:cluster",
      "service:backup",
      "service:forgejo",
      "service:rustfs",
      "vault:foundation/consumers/cluster/s3",
      "vault:foundation/rustfs/root",
    ]);
    expect(reachedBy[0]?.how).toEqual(["its keys are in foundation/consumers/cluster/s3"]);
  });

  it("is found from its database, beside those who read or own all of them", () => {
    expect(formatAnswer(lookUp(withConsumers, "database:cluster"))).toBe(`database:cluster
is reached by
  consumer:cluster                             its password is in foundation/consumers/cluster/database
  service:backup                               backup-database-password in file postgres_password, which reads it
  service:postgres                             postgres-superuser-password in file superuser_password
  vault:foundation/consumers/cluster/database  holds its password
  vault:foundation/postgres/superuser          holds the superuser's password`);
  });
});

it("shows no secret, not even a placeholder", () => {
  const text = JSON.stringify(links(withConsumers));
  const values = withConsumers.secrets.flatMap(({ forms }) => forms);
  expect(values.filter((value) => text.includes(value))).toEqual([]);
});

it.each([
  ["vault", "why: vault: not a thing"],
  ["secret:x", "why: secret:x: not a thing"],
  ["port:", "why: port:: not a thing"],
  ["port:1", "why: port:1: nothing reaches it, and it reaches nothing"],
  ["vault:elsewhere/x", "why: vault:elsewhere/x: nothing reaches it, and it reaches nothing"],
])("%s is refused", (subject, message) => {
  expect(() => lookUp(evidence, subject)).toThrow(expect.objectContaining({ message, exitCode: EXIT.usage }));
});

it("says what there is in place of what there is not", () => {
  expect(() => lookUp(evidence, "consumer:x")).toThrow(
    expect.objectContaining({ hint: "known are: consumer:ci, consumer:operator" }),
  );
});

it.each([
  ["foundation/data/ci/*", "foundation/data/ci/x/y", true],
  ["foundation/data/ci/*", "foundation/data/cix", false],
  ["foundation/data/ci", "foundation/data/ci/x", false],
  ["foundation/data/+/deploy", "foundation/data/ci/deploy", true],
  ["foundation/data/+/deploy", "foundation/data/ci/x/deploy", false],
  ["foundation/data/a.b", "foundation/data/aXb", false],
])("%s covers %s: %s", (pattern, path, expected) => expect(covers(pattern, path)).toBe(expected));
