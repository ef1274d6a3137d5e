import type { Recorded, Recording } from "../record.ts";

/** A recording and what must not be found in it. */
export interface Run extends Recording {
  /** every secret of the foundation, in every form in which the program writes it */
  readonly knownSecrets: readonly string[];
}

/** Something that holds of every graph that the program may register. */
export interface Rule {
  readonly name: string;
  /** one line per violation, `<Type> <name>: <what is wrong>` */
  readonly check: (run: Run) => string[];
}

export const CONTAINER = "docker:index/container:Container";
export const NETWORK = "docker:index/network:Network";
export const VOLUME = "docker:index/volume:Volume";
export const IMAGE = "docker:index/remoteImage:RemoteImage";
export const REMOTE = "command:remote:Command";
export const LOCAL = "command:local:Command";
export const PASSWORD = "random:index/randomPassword:RandomPassword";
export const POLICY = "vault:index/policy:Policy";
/** What is written into Vault by path: AppRoles, the roles of jobs, and who signs for jobs. */
export const ENDPOINT = "vault:generic/endpoint:Endpoint";
export const KV = "vault:kv/secretV2:SecretV2";
export const DOCKER_PROVIDER = "pulumi:providers:docker";
export const VAULT_PROVIDER = "pulumi:providers:vault";

/** `Container postgres`: how messages name a resource. */
export const label = ({ type, name }: Pick<Recorded, "type" | "name">): string =>
  `${type.split(":").at(-1) ?? type} ${name}`;

export const ofType = (run: Recording, ...types: string[]): Recorded[] =>
  run.resources.filter(({ type }) => types.includes(type));

/** A role of Vault's: whose, and what was written. */
export interface Role {
  readonly name: string;
  readonly content: Readonly<Record<string, unknown>>;
  readonly resource: Recorded;
}

/** Roles of a login of Vault's: `approle`, or `actions`, which jobs of the forge have. */
export function rolesOf(run: Recording, login: "approle" | "actions"): Role[] {
  return ofType(run, ENDPOINT).flatMap((resource) => {
    const { path, dataJson } = resource.inputs;
    const [, of, name] = /^auth\/([\w-]+)\/role\/([\w-]+)$/.exec(String(path)) ?? [];
    return of !== login || name === undefined
      ? []
      : [{ name, content: JSON.parse(String(dataJson)) as Role["content"], resource }];
  });
}

/**
 * A rule that looks at one resource at a time.
 *
 * @param judge what is wrong with it, without the label
 */
export function each(name: string, types: readonly string[], judge: (resource: Recorded, run: Run) => string[]): Rule {
  const check = (run: Run): string[] =>
    ofType(run, ...types).flatMap((resource) => judge(resource, run).map((what) => `${label(resource)}: ${what}`));
  return { name, check };
}

/** Every URN that a resource depends on, directly or not; a child depends on its parent. */
export function reachable(run: Recording, start: Recorded): Set<string> {
  const byUrn = new Map(run.resources.map((resource) => [resource.urn, resource]));
  const seen = new Set<string>();
  const visit = (resource: Recorded): void => {
    for (const urn of edges(resource)) {
      if (seen.has(urn)) continue;
      seen.add(urn);
      const next = byUrn.get(urn);
      if (next) visit(next);
    }
  };
  visit(start);
  return seen;
}

/** Every URN that a resource directly depends on, for whatever reason. */
export function edges({ dependencies, propertyDependencies, parent, provider }: Recorded): string[] {
  return [
    ...new Set([...dependencies, ...Object.values(propertyDependencies).flat(), parent, provider].filter(Boolean)),
  ];
}

/** Whether a command runs on the second host. */
export const isOnOffsite = ({ parent }: Recorded, run: Recording): boolean =>
  run.resources.some(({ type, urn }) => type === "foundation:index:Offsite" && urn === parent);

/** A value as messages show it. */
export const show = (value: unknown): string =>
  typeof value === "string" ? value : (JSON.stringify(value) ?? "unset");

/** `<key> <value> is not <wanted>` for every key that has another value. */
export function unlike(inputs: Readonly<Record<string, unknown>>, wanted: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(wanted)
    .filter(([key, value]) => show(inputs[key]) !== show(value))
    .map(([key, value]) => `${key} ${show(inputs[key])} is not ${show(value)}`);
}

/** `postgres` out of what a message or a dependency names. */
export const nameOf = (urn: string): string => urn.split("::").at(-1) ?? urn;
