import type { Breakages } from "./graph-copy.ts";

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
    [(g) => (g.get("Policy policy-ci").inputs.policy = ""), "Policy policy-ci: grants nothing that can be read here"],
    [(g) => (g.get("Policy policy-ci").inputs.name = "jobs"), "Policy policy-ci: name policy-jobs is not policy-ci"],
  ],
  "vault: an AppRole has its own policy and short tokens": [
    [
      (g) => (g.get("AuthBackendRole approle-ci").inputs.tokenPolicies = ["ci", "operator"]),
      'AuthBackendRole approle-ci: tokenPolicies ["ci","operator"] is not ["ci"]',
    ],
    [
      (g) => (g.get("AuthBackendRole approle-ci").inputs.tokenMaxTtl = 0),
      "AuthBackendRole approle-ci: tokens of 1800 s, at most 0 s",
    ],
  ],
  "vault: every AppRole is one that the helper gives a secret id": [
    [
      (g) => g.remove("AuthBackendRole approle-ci"),
      "Command vault-ensure: readers operator,forgejo,postgres,rustfs,ci,backup",
    ],
    [(g) => (g.get("Command vault-ensure").inputs.create = "node x"), "Command vault-ensure: readers none"],
  ],
};
