import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { differences } from "./differences.ts";
import { generate, TOKEN } from "../../review/placeholders.ts";
import { CONSUMERS, createFixture, OFFSITE, type Fixture } from "./fixture.ts";
import { ofType, REMOTE, type Run } from "../../review/policy/rule.ts";

let fixture: Fixture;
let plain: Run;
let granted: Run;
beforeAll(async () => {
  fixture = await createFixture();
  plain = await fixture.run("repreview", OFFSITE);
  granted = await fixture.run("repreview", { ...OFFSITE, ...CONSUMERS });
  // The first run loads the SDK, which a busy machine takes its time for.
}, 60_000);
afterAll(() => fixture.remove());

const [cluster, team] = CONSUMERS.consumers;
const named = (run: Run, name: string, type: string = REMOTE) =>
  ofType(run, type).find((resource) => resource.name === name)?.inputs ?? {};
const POLICY = "vault:index/policy:Policy";
const SECRET = "vault:kv/secretV2:SecretV2";

/** What the servers themselves are told of every consumer, so that they know who is none any more. */
const ROSTERS = [
  "Command bucket-forgejo: create",
  "Command forgejo-admin: create",
  "Command postgres-superuser: create",
];

describe("a declaration", () => {
  it("adds this and changes nothing else", () => {
    expect(differences(plain, granted)).toEqual([
      "+ Command consumer-ci-team-forge",
      "+ Command consumer-ci-team-token",
      "+ Command consumer-cluster-forge",
      "+ Command consumer-cluster-s3",
      "+ Command consumer-cluster-token",
      "+ Command postgres-database-cluster",
      "+ ConsumerCredentials consumer-credentials",
      "+ ConsumerSecrets consumer-secrets",
      "+ Consumers consumers",
      "+ Endpoint approle-consumer-ci-team",
      "+ Endpoint approle-consumer-cluster--2",
      "+ Endpoint approle-jobs-ci-team",
      "+ Endpoint approle-jobs-cluster",
      "+ Endpoint job-role-ci-team",
      "+ Endpoint job-role-cluster",
      "+ Policy policy-consumer-ci-team",
      "+ Policy policy-consumer-cluster--2",
      "+ Policy policy-jobs-ci-team",
      "+ Policy policy-jobs-cluster",
      "+ RandomPassword consumer-cluster-database",
      "+ RandomPassword consumer-cluster-s3",
      "+ RandomPassword consumer-cluster-webhook",
      "+ SecretV2 consumer-ci-team-forge",
      "+ SecretV2 consumer-ci-team-vault",
      "+ SecretV2 consumer-cluster-database",
      "+ SecretV2 consumer-cluster-forge",
      "+ SecretV2 consumer-cluster-s3",
      "+ SecretV2 consumer-cluster-vault",
      "+ SecretV2 consumer-cluster-webhook",
      // They wait for all that the stores do.
      "Backup backup: option dependencies",
      "Command backup-files: stdin",
      "Command bucket-forgejo: create",
      "Command forgejo-admin: create",
      // Whom webhooks may call.
      "Command forgejo-files: stdin",
      "Command postgres-reader: create",
      "Command postgres-superuser: create",
      "Command seed-files: stdin",
      "Command vault-ensure: create",
      "Container backup: labels",
      "Container forgejo: labels",
      "Forgejo forgejo: option dependencies",
      "Seed seed: option dependencies",
    ]);
  });

  it("runs these commands, with what is secret on standard input", () => {
    const lines = ofType(granted, REMOTE)
      .filter(({ name }) => name.includes("consumer-") || name === "postgres-database-cluster")
      .map(({ name, inputs }) => [
        name,
        String(inputs.create).replace(/^timeout \d+ flock .*?\/foundation\//, ""),
        inputs.stdin,
      ]);
    const admin = generate("forgejo-admin-password");
    const owner = `${generate("s3-access-key")}\n${generate("s3-secret-key")}`;
    expect(lines.toSorted()).toEqual([
      ["consumer-ci-team-forge", "forgejo-consumer operator ci-team-robot ci-team write", `${admin}\n\n`],
      ["consumer-ci-team-token", "forgejo-token operator ci-team-robot write 0", `${admin}\n`],
      [
        "consumer-cluster-forge",
        "forgejo-consumer operator cluster-robot clusters read fleet infra",
        `${admin}\n${generate("consumer-cluster-webhook")}\n` +
          "fleet push,create https://flux.example.com/hook/1\n- package https://git.example.org/api/x\n",
      ],
      [
        "consumer-cluster-s3",
        "s3-consumer consumer-cluster velero:53687091200 loki",
        `${owner}\n${generate("consumer-cluster-s3")}\n`,
      ],
      ["consumer-cluster-token", "forgejo-token operator cluster-robot read 2", `${admin}\n`],
      ["postgres-database-cluster", "postgres-database cluster consumer", `${generate("consumer-cluster-database")}\n`],
    ]);
  });

  it("is known to the servers' own set-up, which takes what others have", () => {
    const ends = Object.fromEntries(
      ["bucket-forgejo", "forgejo-admin", "postgres-superuser", "postgres-reader"].map((name) => [
        name,
        String(named(granted, name).create).replace(/^.*\/foundation\//, ""),
      ]),
    );
    expect(ends).toEqual({
      "bucket-forgejo": "s3-bucket forgejo consumer-cluster",
      "forgejo-admin":
        "forgejo-admin operator ops@example.org platform foundation-backup canary -- cluster-robot:clusters ci-team-robot:ci-team",
      "postgres-superuser": "postgres-superuser cluster",
      "postgres-reader": "postgres-reader backup backup forgejo cluster",
    });
    const ensure = String(granted.resources.find(({ name }) => name === "vault-ensure")?.inputs.create);
    expect(ensure).toMatch(
      / --job-login actions --remove-consumers --readers operator,forgejo,postgres,rustfs,ci,backup,consumer-cluster--2,consumer-ci-team$/,
    );
  });

  it("lets webhooks call its hosts beside the foundation's own", () => {
    const file = /^app\.ini (\S+)$/m.exec(String(named(granted, "forgejo-files").stdin))?.[1] ?? "";
    expect(/^ALLOWED_HOST_LIST = (.+)$/m.exec(Buffer.from(file, "base64").toString())?.[1]).toBe(
      "example.org,git.example.org,vault.example.org,s3.example.org,flux.example.com",
    );
  });

  it("is backed up, and a rebuild restores it", () => {
    for (const name of ["backup-files", "seed-files"]) {
      const file = /^plan\.json (\S+)$/m.exec(String(named(granted, name).stdin))?.[1] ?? "";
      const plan = JSON.parse(Buffer.from(file, "base64").toString()) as {
        databases: { name: string }[];
        buckets: string[];
      };
      expect(plan.databases.map((database) => database.name)).toEqual(["backup", "forgejo", "cluster"]);
      expect(plan.buckets).toEqual(["forgejo", "velero", "loki"]);
    }
  });

  it("puts everything that was issued into the consumer's tree in Vault", () => {
    const secrets = ofType(granted, SECRET)
      .filter(({ name }) => name.startsWith("consumer-"))
      .map(({ inputs }) => [inputs.name, JSON.parse(String(inputs.dataJson)) as unknown]);
    const login = (role: string) => fixture.derived.vaultAppRole(role);
    const forge = { url: "https://git.example.org", token: TOKEN };
    expect(Object.fromEntries(secrets)).toEqual({
      "consumers/cluster/forge": {
        ...forge,
        username: "cluster-robot",
        organisation: "clusters",
        registry: "git.example.org/clusters",
        npm: "https://git.example.org/api/packages/clusters/npm/",
      },
      "consumers/cluster/vault": { address: "https://vault.example.org", ...login("consumer-cluster--2") },
      "consumers/cluster/s3": {
        accessKey: "consumer-cluster",
        secretKey: generate("consumer-cluster-s3"),
        endpoint: "https://s3.example.org",
        region: "us-east-1",
        buckets: "velero,loki",
      },
      "consumers/cluster/database": {
        username: "cluster",
        password: generate("consumer-cluster-database"),
        database: "cluster",
        server: "postgres:5432",
      },
      "consumers/cluster/webhook": { secret: generate("consumer-cluster-webhook") },
      "consumers/ci-team/forge": {
        ...forge,
        username: "ci-team-robot",
        organisation: "ci-team",
        registry: "git.example.org/ci-team",
        npm: "https://git.example.org/api/packages/ci-team/npm/",
      },
      "consumers/ci-team/vault": { address: "https://vault.example.org", ...login("consumer-ci-team") },
    });
  });

  it("reads its own tree in Vault and writes where it said", () => {
    const read = (name: string) => `path "foundation/data/consumers/${name}/*" {
  capabilities = ["read"]
}

path "foundation/metadata/consumers/${name}/*" {
  capabilities = ["list", "read"]
}
`;
    const write = (path: string) => `
path "foundation/data/consumers/cluster/${path}" {
  capabilities = ["create", "delete", "read", "update"]
}
`;
    expect(named(granted, "policy-consumer-ci-team", POLICY).policy).toBe(read("ci-team"));
    expect(named(granted, "policy-consumer-cluster--2", POLICY).policy).toBe(
      read("cluster") + write("app/*") + write("sops"),
    );
  });
});

describe("jobs", () => {
  const written = (name: string) =>
    JSON.parse(String(named(granted, name, "vault:generic/endpoint:Endpoint").dataJson)) as Record<string, unknown>;
  const MAIN = { event_name: ["push", "release", "schedule", "workflow_dispatch"], ref: ["refs/heads/main"] };
  const common = {
    bound_audiences: ["https://vault.example.org"],
    bound_claims_type: "glob",
    claim_mappings: { actor: "actor", event_name: "event_name", ref: "ref", run_id: "run_id", sha: "sha" },
    role_type: "jwt",
    token_max_ttl: 600,
    token_ttl: 600,
    user_claim: "repository",
  };

  const TEAM = ["consumer-ci-team", "jobs-ci-team"];

  it("have the policy of their consumer, by repository, ref and event", () => {
    expect(written("job-role-cluster")).toEqual({
      ...common,
      bound_claims: {
        event_name: ["push", "schedule"],
        ref: ["refs/heads/main", "refs/tags/v*"],
        repository: ["clusters/fleet", "clusters/infra"],
      },
      token_policies: ["consumer-cluster--2", "jobs-cluster"],
    });
  });

  it("of a consumer without declared repositories are those of its organisation, on main", () => {
    const bound = { ...MAIN, repository_owner: ["ci-team"] };
    expect(written("job-role-ci-team")).toEqual({ ...common, bound_claims: bound, token_policies: TEAM });
  });

  it("have by the fallback what they have otherwise, but no secret id of ours", () => {
    expect(written("approle-jobs-ci-team")).toEqual({
      role_id: fixture.derived.vaultAppRole("jobs-ci-team").roleId,
      secret_id_ttl: 86_400,
      token_max_ttl: 600,
      token_policies: TEAM,
      token_ttl: 600,
    });
  });

  it("do not get the login that does not end", () => {
    expect(named(granted, "policy-jobs-ci-team", POLICY).policy).toBe(
      'path "foundation/data/consumers/ci-team/vault" {\n  capabilities = ["deny"]\n}\n',
    );
  });

  it("of the foundation's own organisation read what is there for them", () => {
    const bound = { ...MAIN, repository_owner: ["platform"] };
    expect(written("job-role-ci")).toEqual({ ...common, bound_claims: bound, token_policies: ["ci"] });
  });

  it("are signed for with the key that the forge is given, and Vault asks nobody", () => {
    const { idTokenKey } = fixture.derived.forgejo;
    expect(written("job-login")).toEqual({
      bound_issuer: "https://git.example.org/api/actions",
      jwt_supported_algs: ["EdDSA"],
      jwt_validation_pubkeys: [idTokenKey.publicKeyPem],
    });
    const file = /^id_token_key (\S+)$/m.exec(String(named(granted, "forgejo-files").stdin))?.[1] ?? "";
    expect(Buffer.from(file, "base64").toString()).toBe(idTokenKey.privateKeyPem);
  });
});

describe("a change of one consumer leaves the others alone", () => {
  const changed = async (...consumers: unknown[]) =>
    differences(granted, await fixture.run("repreview", { ...OFFSITE, consumers }));

  it("rotation: another generated credential each, another token, another AppRole", async () => {
    expect(await changed({ ...cluster, rotation: 3 }, team)).toEqual([
      "+ Endpoint approle-consumer-cluster--3",
      "+ Policy policy-consumer-cluster--3",
      "- Endpoint approle-consumer-cluster--2",
      "- Policy policy-consumer-cluster--2",
      "Command consumer-cluster-token: create",
      "Command vault-ensure: create",
      // Under their own names, with the other policy.
      "Endpoint approle-jobs-cluster: dataJson, option dependencies, option propertyDependencies",
      "Endpoint job-role-cluster: dataJson, option dependencies, option propertyDependencies",
      "RandomPassword consumer-cluster-database: keepers",
      "RandomPassword consumer-cluster-s3: keepers",
      "RandomPassword consumer-cluster-webhook: keepers",
      "SecretV2 consumer-cluster-vault: dataJson",
    ]);
  });

  it("a bucket more", async () => {
    const buckets = [...(cluster?.buckets ?? []), { name: "tempo" }];
    expect(await changed({ ...cluster, buckets }, team)).toEqual([
      "Command backup-files: stdin",
      "Command consumer-cluster-s3: create",
      "Command seed-files: stdin",
      "Container backup: labels",
      "SecretV2 consumer-cluster-s3: dataJson",
    ]);
  });

  it("a webhook of the forge's own less", async () => {
    expect(await changed({ ...cluster, webhooks: cluster?.webhooks?.slice(0, 1) }, team)).toEqual([
      "Command consumer-cluster-forge: stdin",
    ]);
  });

  it("removal", async () => {
    const lines = await changed(cluster);
    expect(lines).toEqual([
      "- Command consumer-ci-team-forge",
      "- Command consumer-ci-team-token",
      "- Endpoint approle-consumer-ci-team",
      "- Endpoint approle-jobs-ci-team",
      "- Endpoint job-role-ci-team",
      "- Policy policy-consumer-ci-team",
      "- Policy policy-jobs-ci-team",
      "- SecretV2 consumer-ci-team-forge",
      "- SecretV2 consumer-ci-team-vault",
      "Command forgejo-admin: create",
      "Command vault-ensure: create",
    ]);
  });

  it("removal of the last one, by taking the key away, tells every server that there is none", () => {
    const lines = differences(granted, plain);
    expect(lines.filter((line) => ROSTERS.includes(line))).toEqual(ROSTERS);
    expect(lines.filter((line) => line.startsWith("+"))).toEqual([]);
    expect(differences(plain, granted).filter((line) => line.startsWith("-"))).toEqual([]);
  });
});
