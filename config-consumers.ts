import { z } from "zod";
import { CANARY } from "./components/forgejo-backup.ts";
import { CONTAINERS, NETWORKS } from "./components/topology.ts";

/** A bucket of a consumer. */
export interface ConsumerBucket {
  readonly name: string;
  readonly quotaBytes?: number;
}

/** Where the forge calls when something happens. */
export interface ConsumerWebhook {
  readonly url: string;
  readonly events: readonly string[];
  /** of the consumer's organisation; all of them where it is absent */
  readonly repository?: string;
}

/** Which jobs of a tenant's repositories get its secrets from Vault. */
export interface ConsumerJobs {
  readonly refs: readonly string[];
  readonly events: readonly string[];
}

/** A tenant of Layer 1: what it is granted, and the names under which it has it. */
export interface Consumer {
  readonly name: string;
  readonly organisation: string;
  /** its account at the forge; it belongs to nothing but the organisation */
  readonly robot: string;
  readonly access: "read" | "write";
  readonly repositories: readonly string[];
  readonly buckets: readonly ConsumerBucket[];
  /** its user of the S3 server; absent without buckets */
  readonly s3User?: string;
  /** of the database and of the role that owns it */
  readonly database?: string;
  /** paths in Vault below `foundation/` that it may write to; it reads everything below `consumers/NAME/` */
  readonly secrets: readonly string[];
  readonly webhooks: readonly ConsumerWebhook[];
  readonly ci: ConsumerJobs;
  /** a higher number gives it new credentials */
  readonly rotation: number;
  /** its AppRole and policy in Vault; another one after each rotation, so that the tokens of before are worth nothing */
  readonly vaultRole: string;
  /** policy of what its jobs do not get, and the AppRole of the fallback for them */
  readonly jobsRole: string;
}

/** What both Forgejo and Gitea know under the same name. */
const EVENTS = [
  ...["create", "delete", "fork", "issue_comment", "issues", "package", "pull_request", "push", "release"],
  ...["repository", "wiki"],
] as const;

/**
 * What starts a job that may have secrets: something that only who may write to the repository can do. Not what a pull
 * request does; and not workflow_call, which is what Forgejo calls every job of a workflow that another one calls,
 * whatever started that one.
 */
const JOB_EVENTS = ["push", "release", "schedule", "workflow_dispatch"] as const;

/** Jobs that get secrets unless something else is declared. */
export const TRUSTED: ConsumerJobs = { refs: ["refs/heads/main"], events: JOB_EVENTS };

/** Below a consumer's tree in Vault: where the program puts what it issues. */
export const ISSUED = ["database", "forge", "s3", "vault", "webhook"] as const;

const text = (what: string): z.ZodString => z.string(`is not ${what}`);
const forgeName = text("a forge name").regex(
  /^[a-z0-9](?:[a-z0-9]|[-_.](?=[a-z0-9])){0,38}$/,
  "is not a forge name (lower-case letters, digits, single - _ . between them, at most 39)",
);
const bucket = z.strictObject(
  {
    name: text("a bucket name").regex(
      /^[a-z0-9](?:[a-z0-9]|-(?=[a-z0-9])){2,62}$/,
      "is not a bucket name (3 to 63 lower-case letters, digits, single - between them)",
    ),
    quota: text("a size")
      .regex(/^[1-9]\d{0,5}[MGT]$/, "is not a size such as 500M, 50G or 2T")
      .optional(),
  },
  "is not an object",
);
const webhook = z.strictObject(
  {
    // Nothing that a line of words, or JSON, would need to have quoted.
    url: text("a URL").regex(/^https?:\/\/[\w.-]+(:\d{1,5})?(\/[\w.~%/-]*)?$/, "is not https://NAME/PATH"),
    events: z.array(z.enum(EVENTS, `is not one of: ${EVENTS.join(", ")}`), "is not a list").min(1, "is empty"),
    repository: forgeName.optional(),
  },
  "is not an object",
);
const ci = z
  .strictObject(
    {
      refs: z
        .array(
          text("a ref").regex(
            /^refs\/(heads|tags)\/(\*|[\w.-]+(\/[\w.-]+)*(\/?\*)?)$/,
            "is not refs/heads/NAME or refs/tags/NAME, with at most one * at its end",
          ),
          "is not a list",
        )
        .min(1, "is empty")
        .default([...TRUSTED.refs]),
      events: z
        .array(z.enum(JOB_EVENTS, `is not one of: ${JOB_EVENTS.join(", ")}`), "is not a list")
        .min(1, "is empty")
        .default([...JOB_EVENTS]),
    },
    "is not an object",
  )
  .default({ refs: [...TRUSTED.refs], events: [...JOB_EVENTS] });
const list = <T extends z.ZodType>(item: T) => z.array(item, "is not a list").default([]);
const count = z
  .union([z.number(), z.string().regex(/^\d+$/).transform(Number)], "is not a number")
  .refine((value) => Number.isInteger(value) && value >= 0 && value <= 9999, "is not a number from 0 to 9999");
const flag = z.union([z.boolean(), z.stringbool({ truthy: ["true"], falsy: ["false"] })], "is not true or false");

/** Shape of `foundation:consumers`. */
export const consumersSchema = z
  .array(
    z.strictObject(
      {
        // Short enough for every name that is made of it.
        name: text("a name").regex(
          /^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){1,29}$/,
          "is not a name (2 to 30 lower-case letters, digits, single - between them)",
        ),
        organisation: forgeName.optional(),
        access: z.enum(["read", "write"], "is not one of: read, write").default("write"),
        repositories: list(forgeName),
        buckets: list(bucket),
        database: flag.default(false),
        secrets: list(
          text("a path").regex(
            /^(?!\.)[\w-]+(\/(?!\.)[\w.-]+)*(\/\*)?$/,
            "is not a path in Vault (consumers/NAME/app or consumers/NAME/app/*)",
          ),
        ),
        webhooks: list(webhook),
        ci,
        rotation: count.default(0),
      },
      "is not an object",
    ),
    "is not a list",
  )
  .default([]);

type Parsed = z.infer<typeof consumersSchema>;

/** The rest of the configuration, as far as consumers must not clash with it. */
export interface Surroundings {
  readonly forge: { readonly admin: string; readonly organisation: string };
  readonly reservedForgeNames: readonly string[];
}

/** Names that would be taken for something of the foundation's own. */
const SYSTEM = [
  ...CONTAINERS,
  ...["canary", "ci", "consumers", "foundation", "offsite", "operator", "pulumi", "root", "template0", "template1"],
];

const robotOf = (name: string): string => `${name}-robot`;
const organisationOf = ({ name, organisation = name }: Parsed[number]): string => organisation;

/** Refuses what is at a path below `foundation:`, saying what is wrong with it. */
export type Refuse = (path: string, what: string) => void;

/** Consumers that are each well-formed and cannot be granted what they ask for. */
export function judgeConsumers(consumers: Parsed, surroundings: Surroundings, refuse: Refuse): void {
  for (const [index, consumer] of consumers.entries()) {
    const at = `consumers[${String(index)}]`;
    const { name } = consumer;
    if (SYSTEM.includes(name) || name.startsWith("pg-"))
      refuse(`${at}.name`, `is a name of the foundation's own: ${name}`);
    judgeOrganisation(consumer, at, surroundings, refuse);
    judgeSecrets(consumer, at, refuse);
    judgeWebhooks(consumer, at, refuse);
    for (const [bucket, { name }] of consumer.buckets.entries())
      if (SYSTEM.includes(name))
        refuse(`${at}.buckets[${String(bucket)}].name`, `is a bucket of the foundation's own: ${name}`);
    for (const [repository, name] of repeated(consumer.repositories))
      refuse(`${at}.repositories[${String(repository)}]`, `is declared twice: ${name}`);
  }
  judgeClaims(consumers, refuse);
}

function judgeOrganisation(consumer: Parsed[number], at: string, around: Surroundings, refuse: Refuse): void {
  const organisation = organisationOf(consumer);
  const path = consumer.organisation === undefined ? `${at}.name` : `${at}.organisation`;
  if (around.reservedForgeNames.includes(organisation))
    refuse(path, `is a name that the forge reserves: ${organisation}`);
  if ([around.forge.organisation, around.forge.admin, CANARY.account].includes(organisation))
    refuse(path, `is an organisation or a user of the foundation's own: ${organisation}`);
}

function judgeSecrets({ name, secrets }: Parsed[number], at: string, refuse: Refuse): void {
  const tree = `consumers/${name}/`;
  for (const [index, path] of secrets.entries()) {
    const where = `${at}.secrets[${String(index)}]`;
    if (!path.startsWith(tree)) refuse(where, `is outside of the consumer's tree ${tree}: ${path}`);
    else if (["*", ...ISSUED].includes(path.slice(tree.length).split("/")[0] ?? ""))
      refuse(where, `is where the foundation puts what it issues: ${path}`);
  }
  for (const [index, path] of repeated(secrets))
    refuse(`${at}.secrets[${String(index)}]`, `is declared twice: ${path}`);
}

function judgeWebhooks({ repositories, webhooks }: Parsed[number], at: string, refuse: Refuse): void {
  for (const [index, { url, repository }] of webhooks.entries()) {
    const where = `${at}.webhooks[${String(index)}]`;
    if (isInternal(webhookHost(url))) refuse(`${where}.url`, `is an internal address: ${webhookHost(url)}`);
    if (repository !== undefined && !repositories.includes(repository))
      refuse(`${where}.repository`, `is not a repository of this consumer: ${repository}`);
  }
  const targets = webhooks.map(({ url, repository = "" }) => `${url} ${repository}`);
  for (const [index, target] of repeated(targets))
    refuse(`${at}.webhooks[${String(index)}].url`, `is declared twice: ${target.split(" ")[0] ?? ""}`);
}

/** Host that a webhook calls, without the port. */
export function webhookHost(url: string): string {
  return /^https?:\/\/([^/:]*)/.exec(url)?.[1]?.toLowerCase() ?? "";
}

/**
 * Whether the forge would reach something of the VM's or of its provider's under a host: any IP address, since that of a
 * receiver has no certificate; names without a dot and `CONTAINER.NETWORK`, which Docker resolves; loopback, metadata.
 */
function isInternal(host: string): boolean {
  const labels = host.split(".");
  const last = labels.at(-1) ?? "";
  if (labels.length < 2 || labels.includes("") || /^(0x[\da-f]+|\d+)$/.test(last)) return true;
  return ["internal", "localdomain", "localhost"].includes(last) || last in NETWORKS;
}

/** What only one consumer can have. */
function judgeClaims(consumers: Parsed, refuse: Refuse): void {
  const owners = new Map<string, string>();
  const claim = (kind: string, what: string, by: string, path: string): void => {
    const owner = owners.get(`${kind} ${what}`);
    if (owner === by) refuse(path, `is declared twice: ${what}`);
    else if (owner !== undefined) refuse(path, `is claimed by ${owner} already: ${what}`);
    else owners.set(`${kind} ${what}`, by);
  };
  const entries = consumers.map((consumer, index) => ({ ...consumer, at: `consumers[${String(index)}]` }));
  for (const { name, at } of entries) claim("name", name, name, `${at}.name`);
  // Users and organisations of a forge share their names. Robots first: what is wrong is the organisation's name.
  for (const { name, at } of entries)
    if (owners.get(`forge ${robotOf(name)}`) === undefined) claim("forge", robotOf(name), name, `${at}.name`);
  for (const consumer of entries) {
    const { name, organisation, at, buckets } = consumer;
    if (entries.find((other) => other.name === name) === consumer)
      claim("forge", organisationOf(consumer), name, organisation === undefined ? `${at}.name` : `${at}.organisation`);
    for (const [index, bucket] of buckets.entries())
      claim("bucket", bucket.name, name, `${at}.buckets[${String(index)}].name`);
  }
}

function repeated(values: readonly string[]): [number, string][] {
  return [...values.entries()].filter(([index, value]) => values.indexOf(value) !== index);
}

/** Consumers with everything that follows from their declaration. */
export function completeConsumers(consumers: Parsed, toBytes: (size: string) => number): Consumer[] {
  return consumers.map(({ buckets, database, ...consumer }) => ({
    ...consumer,
    organisation: organisationOf({ buckets, database, ...consumer }),
    robot: robotOf(consumer.name),
    buckets: buckets.map(({ name, quota }) => (quota === undefined ? { name } : { name, quotaBytes: toBytes(quota) })),
    ...(buckets.length > 0 ? { s3User: `consumer-${consumer.name}` } : {}),
    ...(database ? { database: consumer.name.replaceAll("-", "_") } : {}),
    jobsRole: `jobs-${consumer.name}`,
    vaultRole: `consumer-${consumer.name}${consumer.rotation === 0 ? "" : `--${String(consumer.rotation)}`}`,
  }));
}
