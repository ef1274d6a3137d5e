import {
  each,
  ENDPOINT,
  KV,
  label,
  ofType,
  POLICY,
  rolesOf,
  show,
  unlike,
  VAULT_PROVIDER,
  type Role,
  type Rule,
} from "./rule.ts";

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
  eachRole("vault: an AppRole has its own policy and short tokens", "approle", ({ name, content, resource }) => [
    ...unlike({ name: resource.name }, { name: `approle-${name}` }),
    ...(name.startsWith("jobs-")
      ? [...notOf(name.slice("jobs-".length), content), ...lifetime(content, 600)]
      : [...unlike(content, { token_policies: [name] }), ...lifetime(content, 86_400)]),
  ]),
  eachRole("vault: a job's role has one consumer's policy, minutes, and no pull request", "actions", (role) => [
    ...unlike({ name: role.resource.name }, { name: `job-role-${role.name}` }),
    ...lifetime(role.content, 600),
    ...beyondTrusted(role),
  ]),
  {
    name: "vault: for jobs the forge signs, and nobody else",
    check: (run) => {
      const [config, ...more] = ofType(run, ENDPOINT).filter(({ inputs }) => inputs.path === "auth/actions/config");
      if (config === undefined || more.length > 0) return ["auth/actions/config: is not written once"];
      return signedByOthers(config.inputs).map((what) => `${label(config)}: ${what}`);
    },
  },
  each(
    "vault: what is written by path is a role or who signs for jobs, and is not read back",
    [ENDPOINT],
    (resource) => [
      ...unlike(resource.inputs, { disableRead: true }),
      ...(/^auth\/((approle|actions)\/role\/[\w-]+|actions\/config)$/.test(String(resource.inputs.path))
        ? []
        : [`path ${show(resource.inputs.path)}`]),
    ],
  ),
  {
    name: "vault: every AppRole but those of jobs is one that the helper gives a secret id",
    check: (run) => {
      const roles = rolesOf(run, "approle").flatMap(({ name }) => (name.startsWith("jobs-") ? [] : [name]));
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
  if (policy.startsWith("jobs-"))
    return path === `foundation/data/consumers/${policy.slice("jobs-".length)}/vault` ? ["deny"] : undefined;
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

function signedByOthers({ dataJson, disableDelete }: Record<string, unknown>): string[] {
  const {
    bound_issuer: issuer,
    jwt_supported_algs: algorithms,
    ...keys
  } = JSON.parse(String(dataJson)) as Record<string, unknown>;
  const { jwt_validation_pubkeys: known, ...asked } = keys;
  return [
    ...(/^https:\/\/[\w.-]+\/api\/actions$/.test(String(issuer)) ? [] : [`bound_issuer ${show(issuer)}`]),
    ...unlike({ algorithms, disableDelete }, { algorithms: ["EdDSA"], disableDelete: true }),
    ...(Array.isArray(known) && known.length === 1 ? [] : ["not one key"]),
    ...Object.keys(asked).map((key) => `${key} is set`),
  ];
}

/** A rule that looks at one role at a time. */
function eachRole(name: string, login: "approle" | "actions", judge: (role: Role) => string[]): Rule {
  return {
    name,
    check: (run) =>
      rolesOf(run, login).flatMap((role) => judge(role).map((what) => `${label(role.resource)}: ${what}`)),
  };
}

/** Tokens of a role that outlive what they are for. */
function lifetime({ token_ttl: usual, token_max_ttl: most }: Role["content"], seconds: number): string[] {
  const isShort = [usual, most].every((each) => Number(each) > 0 && Number(each) <= seconds);
  return isShort ? [] : [`tokens of ${show(usual)} s, at most ${show(most)} s`];
}

/** Policies that are not those of a consumer's jobs: its own, and what is withheld from them. */
function notOf(name: string, { token_policies: policies }: Role["content"]): string[] {
  const own = name === "ci" ? /^\["ci"\]$/ : new RegExp(`^\\["consumer-${name}(--\\d+)?","jobs-${name}"\\]$`);
  return own.test(show(policies)) ? [] : [`token_policies ${show(policies)}`];
}

/** What lets more jobs in than those that people with the right to push have started. */
function beyondTrusted({ name, content }: Role): string[] {
  const { bound_audiences: audiences, bound_claims: claims } = content;
  const { ref, event_name: events, ...from } = (claims ?? {}) as Record<string, string[]>;
  const wrong = (values: readonly string[] | undefined, right: RegExp) =>
    values === undefined || values.length === 0 ? ["any"] : values.filter((value) => !right.test(value));
  return [
    ...notOf(name, content),
    ...wrong(audiences as string[] | undefined, /^https:\/\/[\w.-]+$/).map((each) => `audience ${each}`),
    ...wrong(ref, /^refs\/(heads|tags)\/./).map((each) => `ref ${each}`),
    ...wrong(events, /^(push|release|schedule|workflow_dispatch)$/).map((each) => `event ${each}`),
    ...(Object.keys(from).length === 1 ? [] : [`bound to ${show(from)}`]),
    ...wrong(from.repository ?? from.repository_owner, /^[\w./-]+$/).map((each) => `repository ${each}`),
  ];
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
