import type { Breakages, Graph } from "./graph-copy.ts";

function editRole(graph: Graph, change: object): void {
  const { inputs } = graph.get("Endpoint approle-ci");
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
    [(g) => (g.get("Policy policy-ci").inputs.policy = ""), "Policy policy-ci: grants nothing that can be read here"],
    [(g) => (g.get("Policy policy-ci").inputs.name = "jobs"), "Policy policy-ci: name policy-jobs is not policy-ci"],
  ],
  "vault: an AppRole has its own policy and short tokens": [
    [
      (g) => editRole(g, { token_policies: ["ci", "operator"] }),
      'Endpoint approle-ci: token_policies ["ci","operator"] is not ["ci"]',
    ],
    [(g) => editRole(g, { token_max_ttl: 0 }), "Endpoint approle-ci: tokens of 1800 s, at most 0 s"],
  ],
  "vault: what is written by path is an AppRole, and is not read back": [
    [
      (g) => delete g.get("Endpoint approle-ci").inputs.disableRead,
      "Endpoint approle-ci: disableRead unset is not true",
    ],
    [
      (g) => (g.get("Endpoint approle-ci").inputs.path = "auth/userpass/users/ci"),
      "Endpoint approle-ci: path auth/userpass/users/ci",
    ],
  ],
  "vault: every AppRole is one that the helper gives a secret id": [
    [
      (g) => g.remove("Endpoint approle-ci"),
      "Command vault-ensure: readers operator,forgejo,postgres,rustfs,ci,backup,consumer-cluster--2,consumer-ci-team",
    ],
    [(g) => (g.get("Command vault-ensure").inputs.create = "node x"), "Command vault-ensure: readers none"],
  ],
};
