import { ENDPOINTS } from "../components/topology.ts";
import { networksOf } from "./interruptions.ts";
import type { KnownSecret } from "./known-secrets.ts";
import { CONTAINER, KV, ofType, POLICY, REMOTE, rolesOf, type Role } from "./policy/rule.ts";
import { encodings } from "./policy/secrets.ts";
import { statements } from "./policy/vault.ts";
import { filesOf } from "./properties.ts";
import type { Recorded, Recording } from "./record.ts";

/** That one thing reaches another. Things are `service:`, `consumer:`, `vault:`, `bucket:`, `database:`, `port:`, or outside. */
export interface Link {
  readonly from: string;
  readonly to: string;
  /** `file app.ini`, `policy operator`, `network postgres-forgejo` */
  readonly how: string;
}

/** What the links are found in. */
export interface Evidence {
  readonly recording: Recording;
  readonly secrets: readonly KnownSecret[];
}

/** Everything that reaches something, as the graph shows it. @param paths further secrets in Vault to look at */
export function links(evidence: Evidence, paths: readonly string[] = []): Link[] {
  return [
    ...ports(evidence.recording),
    ...networks(evidence.recording),
    ...files(evidence),
    ...policies(evidence.recording, paths),
    ...stores(evidence),
  ];
}

const commandsOf = (run: Recording): { name: string; command: string; stdin: string }[] =>
  ofType(run, REMOTE).map(({ name, inputs }) => ({
    name,
    command: String(inputs.create),
    stdin: typeof inputs.stdin === "string" ? inputs.stdin : "",
  }));

/** Secrets that the program writes to Vault: path with the store's name, and values by key. */
function mirrored(run: Recording): { path: string; values: Record<string, unknown> }[] {
  return ofType(run, KV).map(({ inputs }) => ({
    path: `${String(inputs.mount)}/${String(inputs.name)}`,
    values: JSON.parse(String(inputs.dataJson)) as Record<string, unknown>,
  }));
}

function ports(run: Recording): Link[] {
  return ofType(run, CONTAINER).flatMap(({ name, inputs }) =>
    ((inputs.ports ?? []) as { ip: string; external: number; protocol: string }[]).flatMap(
      ({ ip, external, protocol }) => [
        {
          from: ip === "0.0.0.0" ? "everybody" : "who is on the VM",
          to: `port:${external}`,
          how: `${protocol}, ${ip}`,
        },
        { from: `port:${external}`, to: `service:${name}`, how: `published, ${protocol}` },
      ],
    ),
  );
}

/** Two services on one network reach each other; those that listen do so at a port. */
function networks(run: Recording): Link[] {
  const containers = ofType(run, CONTAINER);
  return containers.flatMap((one) => {
    const endpoint = Object.values<string>(ENDPOINTS).find((each) => each.startsWith(`${one.name}:`));
    const port = endpoint === undefined ? undefined : `port:${endpoint.split(":")[1] ?? ""}`;
    const inside = port === undefined ? [] : [{ from: port, to: `service:${one.name}`, how: "inside the networks" }];
    const others = containers.flatMap((other) => {
      const shared = other === one ? [] : networksOf(other).filter((name) => networksOf(one).includes(name));
      const to = [`service:${one.name}`, ...(port === undefined ? [] : [port])];
      return shared.flatMap((name) =>
        to.map((target) => ({ from: `service:${other.name}`, to: target, how: `network ${name}` })),
      );
    });
    return [...inside, ...others];
  });
}

/** A delivered file of a service in which a secret is found. */
interface Found {
  readonly service: string;
  readonly file: string;
}

/** Where a secret is, in files of services: a placeholder is found by its value, whatever it was written into. */
function whereIs(run: Recording, forms: readonly string[]): Found[] {
  const needles = forms.flatMap(encodings);
  return ofType(run, CONTAINER).flatMap((container) =>
    Object.entries(deliveredTo(run, container))
      .filter(([, content]) => needles.some((needle) => content.includes(needle)))
      .map(([file]) => ({ service: container.name, file })),
  );
}

/** Content by name of the files that are mounted into a container. */
function deliveredTo(run: Recording, { inputs }: Recorded): Record<string, string> {
  const sources = ((inputs.mounts ?? []) as { source: string }[]).map(({ source }) => source);
  const delivered = commandsOf(run).filter(({ command }) => {
    const [, name] = /\/install-files (\S+)/.exec(command) ?? [];
    return name !== undefined && sources.includes(`/etc/foundation/${name}`);
  });
  return Object.assign({}, ...delivered.map(({ stdin }) => filesOf(stdin) ?? {})) as Record<string, string>;
}

/** Services that have a secret of Vault's as a file, so that they start without Vault. */
function files({ recording, secrets }: Evidence): Link[] {
  return mirrored(recording).flatMap(({ path, values }) =>
    Object.entries(values).flatMap(([key, value]) => {
      // Names and addresses are in Vault too, and say nothing about who has the secret beside them.
      const known = secrets.find(({ forms }) => forms.includes(String(value)));
      const found = known === undefined ? [] : whereIs(recording, known.forms);
      return found.map(({ service, file }) => ({
        from: `service:${service}`,
        to: `vault:${path}`,
        how: `${key} in file ${file}`,
      }));
    }),
  );
}

/** Whoever has a role and what its policies let it do; an AppRole of a service's name is that service's. */
function policies(run: Recording, paths: readonly string[]): Link[] {
  const texts = new Map(ofType(run, POLICY).map(({ inputs }) => [String(inputs.name), String(inputs.policy)]));
  const all = [...new Set([...mirrored(run).map(({ path }) => path), ...subtrees([...texts.values()]), ...paths])];
  const verbsOf = (policy: string, path: string): string[] => {
    const can = statements(texts.get(policy) ?? "").filter(([pattern]) => covers(pattern, dataPath(path)));
    return [...new Set(can.flatMap(([, capabilities]) => capabilities))];
  };
  const granted = (from: string, by: string, { token_policies: names }: Role["content"]): Link[] => {
    const own = (names ?? []) as string[];
    const paths = all.filter((path) => !own.some((policy) => verbsOf(policy, path).includes("deny")));
    return own.flatMap((policy) =>
      paths.flatMap((path) => {
        const verbs = verbsOf(policy, path);
        const how = `${by}, policy ${policy}: ${verbs.join(", ")}`;
        return verbs.length > 0 ? [{ from, to: `vault:${path}`, how }] : [];
      }),
    );
  };
  return [
    ...rolesOf(run, "approle").flatMap(({ name, content }) => granted(reader(run, name), `AppRole ${name}`, content)),
    ...rolesOf(run, "actions").flatMap(({ name, content }) =>
      granted(`consumer:${name}`, `jobs ${jobsOf(content)}`, content),
    ),
  ];
}

/** `of clusters/fleet at refs/heads/main by push or schedule`. */
function jobsOf({ bound_claims: claims }: Role["content"]): string {
  const { repository, repository_owner: owner, ref, event_name: event } = claims as Record<string, string[]>;
  const from = repository ?? owner?.map((name) => `${name}/*`);
  return `of ${or(from)} at ${or(ref)} by ${or(event)}`;
}

const or = (names: readonly string[] = []): string => names.join(" or ");

/** Whole parts of the store that policies name: `foundation/ci/*`. */
function subtrees(texts: readonly string[]): string[] {
  const patterns = texts.flatMap((text) => statements(text).map(([pattern]) => pattern));
  return patterns
    .filter((pattern) => /^[^/]+\/data\/.*\*$/.test(pattern))
    .map((pattern) => pattern.replace("/data/", "/"));
}

/** A role of a container's name is that service's, any other a consumer's; one that was rotated has a number at its end. */
function reader(run: Recording, role: string): string {
  if (ofType(run, CONTAINER).some(({ name }) => name === role)) return `service:${role}`;
  return `consumer:${/^(?:consumer|jobs)-(.+?)(--\d+)?$/.exec(role)?.[1] ?? role}`;
}

/** `foundation/forgejo/admin` is `foundation/data/forgejo/admin` to Vault. */
const dataPath = (path: string): string => path.replace("/", "/data/");

/** Whether a path of a policy means another one: `*` at its end is anything, `+` is anything between two slashes. */
export function covers(pattern: string, path: string): boolean {
  const literal = pattern.replace(/\*$/, "").replaceAll(/[.^$?()[\]{}|\\*]/g, String.raw`\$&`);
  return new RegExp(`^${literal.replaceAll("+", "[^/]+")}${pattern.endsWith("*") ? "" : "$"}`).test(path);
}

/** What a server's set-up lets somebody into who has the secrets that it was given. */
interface Grant {
  readonly to: readonly string[];
  /** the secrets are in it */
  readonly stdin: string;
  /** said of who has them as a file */
  readonly remark?: string;
  /** said of a path in Vault that has them */
  readonly inVault: string;
  /** said of a consumer, before that path */
  readonly issued?: string;
}

/**
 * Whoever has the secret with which a bucket or a database was made has it, and so has whoever may read that secret in
 * Vault. The owner of all buckets and the superuser have those of others too.
 */
function stores({ recording, secrets }: Evidence): Link[] {
  return grants(recording).flatMap(({ to, stdin, remark = "", inVault, issued }) => {
    const keys = secrets.filter(({ forms }) => forms.some((form) => stdin.includes(form)));
    const inFiles = keys.flatMap((key) =>
      whereIs(recording, key.forms).map(({ service, file }) => ({
        from: `service:${service}`,
        how: `${key.name} in file ${file}${remark}`,
      })),
    );
    const forms = keys.flatMap((key) => key.forms);
    const holding = mirrored(recording).filter(({ values }) =>
      Object.values(values).some((value) => forms.includes(String(value))),
    );
    const held = holding.flatMap(({ path }) => {
      const [, consumer] = /^[^/]+\/consumers\/([^/]+)\//.exec(path) ?? [];
      const own = consumer && issued ? [{ from: `consumer:${consumer}`, how: `${issued} ${path}` }] : [];
      return [{ from: `vault:${path}`, how: inVault }, ...own];
    });
    return to.flatMap((thing) => [...inFiles, ...held].map((link) => ({ ...link, to: thing })));
  });
}

const KEYS = { inVault: "holds its keys", issued: "its keys are in" };
const ROLE_PASSWORD = { inVault: "holds its password", issued: "its password is in" };
const SUPERUSER = { inVault: "holds the superuser's password" };
const READER = { inVault: "holds a password that reads it", remark: ", which reads it" };

const SETS_UP = /\/(s3-bucket|s3-consumer|postgres-database|postgres-reader|postgres-superuser)(?: (.*))?$/;

/** `s3-bucket NAME …`, `s3-consumer USER NAME[:QUOTA]…`, `postgres-database NAME …`, `postgres-reader ROLE NAME…`. */
function grants(run: Recording): Grant[] {
  const commands = commandsOf(run).map(({ command, stdin }) => {
    const [, script = "", words = ""] = SETS_UP.exec(command) ?? [];
    return { script, words: words.split(" "), stdin };
  });
  const by = (wanted: string) => commands.filter(({ script }) => script === wanted);
  const databases = by("postgres-database").map(({ words: [name = ""], stdin }) => ({ name, stdin }));
  const bucket = (word = ""): string => `bucket:${word.split(":", 1)[0] ?? ""}`;
  const database = (name: string): string => `database:${name}`;
  return [
    ...by("s3-bucket").map(({ words: [name], stdin }) => ({ ...KEYS, to: [bucket(name)], stdin })),
    ...by("s3-consumer").map(({ words: [, ...names], stdin }) => ({ ...KEYS, to: names.map(bucket), stdin })),
    ...databases.map(({ name, stdin }) => ({ ...ROLE_PASSWORD, to: [database(name)], stdin })),
    ...by("postgres-reader").flatMap(({ words: [role, ...names] }) => {
      const to = names.filter((name) => name !== role).map(database);
      return databases.filter(({ name }) => name === role).map(({ stdin }) => ({ ...READER, to, stdin }));
    }),
    ...by("postgres-superuser").map(({ stdin }) => ({
      ...SUPERUSER,
      to: databases.map(({ name }) => database(name)),
      stdin,
    })),
  ];
}
