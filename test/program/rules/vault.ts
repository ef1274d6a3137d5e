import { each, label, ofType, show, unlike, VAULT_PROVIDER, type Rule } from "./rule.ts";

const MOUNT = "vault:index/mount:Mount";
const POLICY = "vault:index/policy:Policy";
const AUDIT = "vault:index/audit:Audit";
const ROLE = "vault:appRole/authBackendRole:AuthBackendRole";
const KV = "vault:kv/secretV2:SecretV2";

export const vaultRules: Rule[] = [
  each("vault: reached through the tunnel by AppRole, without a token", [VAULT_PROVIDER], ({ inputs }) => [
    ...(/^http:\/\/127\.0\.0\.1:\d+$/.test(String(inputs.address)) ? [] : [`address ${show(inputs.address)}`]),
    ...unlike(inputs, { skipChildToken: "true", skipGetVaultVersion: "true" }),
    ...(isAppRole(String(inputs.authLogin)) ? [] : ["authLogin is not a login by AppRole"]),
    ...(inputs.token === undefined ? [] : ["token is set"]),
  ]),
  each("vault: the KV store is versioned and never unmounted", [MOUNT], ({ inputs, protect }) => [
    ...unlike(inputs, { type: "kv", options: { version: "2" } }),
    ...unlike({ protect }, { protect: true }),
  ]),
  each("vault: the program is the source of what it writes", [KV], ({ inputs }) =>
    unlike(inputs, { disableRead: true }),
  ),
  each("vault: policies read one subtree", [POLICY], ({ name, inputs }) => [
    ...unlike({ name: `policy-${String(inputs.name)}` }, { name }),
    ...(statements(String(inputs.policy)).length > 0 ? [] : ["grants nothing that can be read here"]),
    ...statements(String(inputs.policy)).flatMap(([path, capabilities]) => [
      ...capabilities
        .filter((capability) => !["read", "list"].includes(capability))
        .map((capability) => `${capability} on ${path}`),
      ...(/^foundation\/(data|metadata)\/([\w-]+\/)?\*$|^sys\/storage\/raft\/snapshot$/.test(path)
        ? []
        : [`path ${path}`]),
    ]),
  ]),
  each("vault: an AppRole has its own policy and short tokens", [ROLE], ({ inputs }) => [
    ...unlike(inputs, { tokenPolicies: [inputs.roleName], backend: "approle" }),
    ...([inputs.tokenTtl, inputs.tokenMaxTtl].every((seconds) => Number(seconds) > 0 && Number(seconds) <= 86_400)
      ? []
      : [`tokens of ${show(inputs.tokenTtl)} s, at most ${show(inputs.tokenMaxTtl)} s`]),
  ]),
  {
    name: "vault: two audit devices, one of them the log",
    check: (run) => {
      const devices = ofType(run, AUDIT);
      const targets = devices.map(({ inputs }) => (inputs.options as { file_path?: string }).file_path);
      return [
        ...(new Set(targets).size >= 2 ? [] : [`Vault: audit devices ${targets.join(", ") || "none"}`]),
        ...(targets.includes("stdout") ? [] : ["Vault: no audit device writes to the log"]),
        ...devices
          .filter(({ inputs }) => inputs.type !== "file")
          .map((device) => `${label(device)}: type ${show(device.inputs.type)}`),
      ];
    },
  },
];

function isAppRole(authLogin: string): boolean {
  const { path, parameters } = JSON.parse(authLogin) as { path?: string; parameters?: Record<string, string> };
  return path === "auth/approle/login" && show(Object.keys(parameters ?? {})) === show(["role_id", "secret_id"]);
}

function statements(policy: string): [string, string[]][] {
  return [...policy.matchAll(/path "([^"]*)" \{\s*capabilities = (\[[^\]]*\])\s*\}/g)].map(([, path, capabilities]) => [
    path ?? "",
    JSON.parse(capabilities ?? "[]") as string[],
  ]);
}
