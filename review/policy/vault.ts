import { each, KV, ofType, POLICY, ROLE, show, unlike, VAULT_PROVIDER, type Rule } from "./rule.ts";

/** The one thing that anybody may write: the mark of a backup. */
const CANARY = "foundation/data/backup/canary";

export const vaultRules: Rule[] = [
  each("vault: reached through the tunnel by AppRole, without a token", [VAULT_PROVIDER], ({ inputs }) => [
    ...(/^http:\/\/127\.0\.0\.1:\d+$/.test(String(inputs.address)) ? [] : [`address ${show(inputs.address)}`]),
    ...unlike(inputs, { skipChildToken: "true", skipGetVaultVersion: "true" }),
    ...(isAppRole(String(inputs.authLogin)) ? [] : ["authLogin is not a login by AppRole"]),
    ...(inputs.token === undefined ? [] : ["token is set"]),
  ]),
  each("vault: the program is the source of what it writes", [KV], ({ inputs }) =>
    unlike(inputs, { mount: "foundation", disableRead: true }),
  ),
  each("vault: policies read one subtree", [POLICY], ({ name, inputs }) => [
    ...unlike({ name: `policy-${String(inputs.name)}` }, { name }),
    ...(statements(String(inputs.policy)).length > 0 ? [] : ["grants nothing that can be read here"]),
    ...statements(String(inputs.policy)).flatMap(([path, capabilities]) => {
      const allowed = allowedBy(String(inputs.name), path);
      const beyond = capabilities.filter((capability) => !(allowed ?? READING).includes(capability));
      return [...beyond.map((each) => `${each} on ${path}`), ...(allowed === undefined ? [`path ${path}`] : [])];
    }),
  ]),
  each("vault: an AppRole has its own policy and short tokens", [ROLE], ({ name, inputs }) => {
    const role = JSON.parse(String(inputs.dataJson)) as Record<string, unknown>;
    return [
      ...unlike({ name: `approle-${roleName(inputs)}` }, { name }),
      ...unlike(role, { token_policies: [roleName(inputs)] }),
      ...([role.token_ttl, role.token_max_ttl].every((seconds) => Number(seconds) > 0 && Number(seconds) <= 86_400)
        ? []
        : [`tokens of ${show(role.token_ttl)} s, at most ${show(role.token_max_ttl)} s`]),
    ];
  }),
  each("vault: what is written by path is an AppRole, and is not read back", [ROLE], ({ inputs }) => [
    ...unlike(inputs, { disableRead: true }),
    ...(/^auth\/approle\/role\/[\w-]+$/.test(String(inputs.path)) ? [] : [`path ${show(inputs.path)}`]),
  ]),
  {
    name: "vault: every AppRole is one that the helper gives a secret id",
    check: (run) => {
      const roles = ofType(run, ROLE).map(({ inputs }) => roleName(inputs));
      const ensure = run.resources.find(({ name }) => name === "vault-ensure");
      const [, list] = / --readers (\S+)$/.exec(String(ensure?.inputs.create)) ?? [];
      return show(list?.split(",").toSorted()) === show(roles.toSorted())
        ? []
        : [`Command vault-ensure: readers ${list ?? "none"}`];
    },
  },
];

const READING = ["read", "list"];

/** What a policy may allow under a path; undefined where it may not speak of it. */
function allowedBy(policy: string, path: string): string[] | undefined {
  const [, consumer] = /^consumer-(.+?)(--\d+)?$/.exec(policy) ?? [];
  if (consumer === undefined) {
    if (path === CANARY) return [...READING, "create", "update"];
    return /^foundation\/(data|metadata)\/([\w-]+\/)?\*$|^sys\/storage\/raft\/snapshot$/.test(path)
      ? READING
      : undefined;
  }
  const tree = `consumers/${consumer}/`;
  if (path === `foundation/data/${tree}*` || path === `foundation/metadata/${tree}*`) return READING;
  // Below its own tree, and not what it was issued.
  const inside = path.startsWith(`foundation/data/${tree}`) ? path.slice(`foundation/data/${tree}`.length) : "*";
  const isOwn = !["*", "database", "forge", "s3", "vault", "webhook"].includes(inside.split("/")[0] ?? "");
  return isOwn ? [...READING, "create", "delete", "update"] : undefined;
}

function roleName(inputs: Record<string, unknown>): string {
  return String(inputs.path).split("/").at(-1) ?? "";
}

function isAppRole(authLogin: string): boolean {
  const { path, parameters } = JSON.parse(authLogin) as { path?: string; parameters?: Record<string, string> };
  return path === "auth/approle/login" && show(Object.keys(parameters ?? {})) === show(["role_id", "secret_id"]);
}

/** Path and capabilities of each statement of a policy. */
export function statements(policy: string): [string, string[]][] {
  return [...policy.matchAll(/path "([^"]*)" \{\s*capabilities = (\[[^\]]*\])\s*\}/g)].map(([, path, capabilities]) => [
    path ?? "",
    JSON.parse(capabilities ?? "[]") as string[],
  ]);
}
