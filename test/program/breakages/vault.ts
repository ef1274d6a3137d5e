import type { Breakages, Graph } from "./graph-copy.ts";

function editRole(graph: Graph, change: object, name = "approle-ci"): void {
  const { inputs } = graph.get(`Endpoint ${name}`);
  inputs.dataJson = JSON.stringify({ ...(JSON.parse(String(inputs.dataJson)) as object), ...change });
}

const statement = (path: string, capability = "read"): string =>
  `path "${path}" {\n  capabilities = ["${capability}"]\n}\n`;

export const vaultBreakages: Breakages = {
  "vault: reached through the tunnel by AppRole, without a token": [
    [
      (g) => (g.get("vault vault").inputs.address = "https://vault.example.org"),
      "vault vault: address https://vault.example.org",
    ],
    [
      (g) => Object.assign(g.get("vault vault").inputs, { skipChildToken: "false", token: "hvs.x" }),
      "vault vault: skipChildToken false is not true",
      "vault vault: token is set",
    ],
    [
      (g) => (g.get("vault vault").inputs.authLogin = '{"path":"auth/userpass/login"}'),
      "vault vault: authLogin is not a login by AppRole",
    ],
  ],
  "vault: the program is the source of what it writes": [
    [
      (g) => delete g.get("SecretV2 rustfs-root").inputs.disableRead,
      "SecretV2 rustfs-root: disableRead unset is not true",
    ],
  ],
  "vault: policies read one subtree": [
    [
      (g) =>
        (g.get("Policy policy-ci").inputs.policy = 'path "foundation/*" {\n  capabilities = ["read", "sudo"]\n}\n'),
      "Policy policy-ci: sudo on foundation/*",
      "Policy policy-ci: path foundation/*",
    ],
    [
      (g) => (g.get("Policy policy-consumer-ci-team").inputs.policy = statement("foundation/data/consumers/cluster/*")),
      "Policy policy-consumer-ci-team: path foundation/data/consumers/cluster/*",
    ],
    [
      (g) =>
        (g.get("Policy policy-consumer-ci-team").inputs.policy = statement("foundation/data/consumers/ci-team/forge")),
      "Policy policy-consumer-ci-team: path foundation/data/consumers/ci-team/forge",
    ],
    [
      (g) =>
        (g.get("Policy policy-consumer-ci-team").inputs.policy = statement(
          "foundation/data/consumers/ci-team/*",
          "update",
        )),
      "Policy policy-consumer-ci-team: update on foundation/data/consumers/ci-team/*",
    ],
    [
      (g) => (g.get("Policy policy-jobs-cluster").inputs.policy = statement("foundation/data/consumers/cluster/vault")),
      "Policy policy-jobs-cluster: read on foundation/data/consumers/cluster/vault",
    ],
    [(g) => (g.get("Policy policy-ci").inputs.policy = ""), "Policy policy-ci: grants nothing that can be read here"],
    [(g) => (g.get("Policy policy-ci").inputs.name = "jobs"), "Policy policy-ci: name policy-jobs is not policy-ci"],
  ],
  "vault: an AppRole has its own policy and short tokens": [
    [
      (g) => editRole(g, { token_policies: ["ci", "operator"] }),
      'Endpoint approle-ci: token_policies ["ci","operator"] is not ["ci"]',
    ],
    [(g) => editRole(g, { token_max_ttl: 0 }), "Endpoint approle-ci: tokens of 1800 s, at most 0 s"],
    [
      (g) => editRole(g, { token_policies: ["consumer-ci-team"], token_ttl: 1800 }, "approle-jobs-ci-team"),
      'Endpoint approle-jobs-ci-team: token_policies ["consumer-ci-team"]',
      "Endpoint approle-jobs-ci-team: tokens of 1800 s, at most 600 s",
    ],
  ],
  "vault: a job's role has one consumer's policy, minutes, and no pull request": [
    [
      (g) => editRole(g, { token_policies: ["consumer-ci-team", "jobs-ci-team"] }, "job-role-cluster"),
      'Endpoint job-role-cluster: token_policies ["consumer-ci-team","jobs-ci-team"]',
    ],
    [
      (g) => editRole(g, { token_policies: ["consumer-cluster--2"] }, "job-role-cluster"),
      'Endpoint job-role-cluster: token_policies ["consumer-cluster--2"]',
    ],
    [(g) => editRole(g, { token_ttl: 1800 }, "job-role-ci"), "Endpoint job-role-ci: tokens of 1800 s, at most 600 s"],
    [
      (g) => editRole(g, { bound_audiences: undefined, bound_claims: undefined }, "job-role-ci"),
      "Endpoint job-role-ci: audience any",
      "Endpoint job-role-ci: ref any",
      "Endpoint job-role-ci: event any",
      "Endpoint job-role-ci: bound to {}",
      "Endpoint job-role-ci: repository any",
    ],
    [
      (g) => {
        const claims = { event_name: ["push", "pull_request_target"], ref: ["refs/*"], repository: ["clusters/*"] };
        editRole(g, { bound_claims: claims }, "job-role-cluster");
      },
      "Endpoint job-role-cluster: ref refs/*",
      "Endpoint job-role-cluster: event pull_request_target",
      "Endpoint job-role-cluster: repository clusters/*",
    ],
    [
      (g) => (g.get("Endpoint job-role-ci").inputs.path = "auth/actions/role/ci-team"),
      "Endpoint job-role-ci: name job-role-ci is not job-role-ci-team",
      'Endpoint job-role-ci: token_policies ["ci"]',
    ],
  ],
  "vault: for jobs the forge signs, and nobody else": [
    [(g) => g.remove("Endpoint job-login"), "auth/actions/config: is not written once"],
    [
      (g) =>
        editRole(
          g,
          { bound_issuer: undefined, jwks_url: "https://example.com/keys", jwt_supported_algs: ["RS256"] },
          "job-login",
        ),
      "Endpoint job-login: bound_issuer unset",
      'Endpoint job-login: algorithms ["RS256"] is not ["EdDSA"]',
      "Endpoint job-login: jwks_url is set",
    ],
    [(g) => editRole(g, { jwt_validation_pubkeys: [] }, "job-login"), "Endpoint job-login: not one key"],
  ],
  "vault: what is written by path is a role or who signs for jobs, and is not read back": [
    [
      (g) => delete g.get("Endpoint approle-ci").inputs.disableRead,
      "Endpoint approle-ci: disableRead unset is not true",
    ],
    [
      (g) => (g.get("Endpoint approle-ci").inputs.path = "auth/userpass/users/ci"),
      "Endpoint approle-ci: path auth/userpass/users/ci",
    ],
  ],
  "vault: every AppRole but those of jobs is one that the helper gives a secret id": [
    [
      (g) => g.remove("Endpoint approle-ci"),
      "Command vault-ensure: readers operator,forgejo,postgres,rustfs,ci,backup,consumer-cluster--2,consumer-ci-team",
    ],
    [(g) => (g.get("Command vault-ensure").inputs.create = "node x"), "Command vault-ensure: readers none"],
  ],
};
