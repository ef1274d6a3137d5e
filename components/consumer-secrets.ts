import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { SecretV2 } from "@pulumi/vault/kv/index.js";
import type { Consumer } from "../config-consumers.ts";
import { fallbackRole, jobRole } from "./job-login.ts";
import { ENDPOINTS, S3_REGION } from "./topology.ts";
import { readOnly, statement, STORE, vaultReader, type VaultLogin } from "./vault-reader.ts";

interface ConsumerSecretsArgs {
  readonly consumers: readonly Consumer[];
  /** by name of the consumer */
  readonly credentials: Readonly<
    Record<string, Readonly<Partial<Record<"s3" | "database" | "webhook", pulumi.Input<string>>>>>
  >;
  readonly tokens: Readonly<Record<string, pulumi.Output<string>>>;
  readonly appRole: (name: string) => VaultLogin;
  /** public host names */
  readonly sites: Readonly<Record<"git" | "vault" | "s3", string>>;
}

type Values = Readonly<Record<string, pulumi.Input<string>>>;

/**
 * Everything that consumers were issued, in Vault below `foundation/consumers/NAME/` and nowhere else; and for each the
 * AppRole, and the roles of its jobs, that read it there and write under the declared paths.
 */
export class ConsumerSecrets extends pulumi.ComponentResource {
  static readonly stage = 6;

  constructor(name: string, args: ConsumerSecretsArgs, opts: pulumi.ComponentResourceOptions) {
    super("foundation:index:ConsumerSecrets", name, {}, opts);
    const child = { parent: this };
    for (const consumer of args.consumers) {
      const login = args.appRole(consumer.vaultRole);
      const policy = vaultReader(consumer.vaultRole, consumerPolicy(consumer), login, child);
      this.admitJobs(consumer, policy, args, child);
      for (const [kind, values] of Object.entries(issuedTo(consumer, args, login))) {
        new SecretV2(
          `consumer-${consumer.name}-${kind}`,
          {
            mount: STORE,
            name: `consumers/${consumer.name}/${kind}`,
            dataJson: pulumi.secret(pulumi.jsonStringify(values)),
            disableRead: true,
          },
          child,
        );
      }
    }
    this.registerOutputs({});
  }

  private admitJobs(
    consumer: Consumer,
    policy: pulumi.Output<string>,
    { appRole, sites }: ConsumerSecretsArgs,
    child: pulumi.CustomResourceOptions,
  ): void {
    const { name, jobsRole } = consumer;
    const withheld = new vault.Policy(`policy-${jobsRole}`, { name: jobsRole, policy: withheldFromJobs(name) }, child);
    const policies = [policy, withheld.name];
    jobRole(name, policies, { ...consumer, ...consumer.ci }, sites.vault, child);
    fallbackRole(jobsRole, policies, appRole(jobsRole).roleId, child);
  }
}

/** The one secret of a consumer that its jobs do not get: with it, ten minutes would last for ever. */
export function withheldFromJobs(name: string): string {
  return statement(`${STORE}/data/consumers/${name}/vault`, "deny");
}

/** What a consumer may do in Vault: read its own tree, write where it said. */
export function consumerPolicy({ name, secrets }: Pick<Consumer, "name" | "secrets">): string {
  const written = secrets.map((path) => statement(`${STORE}/data/${path}`, "create", "delete", "read", "update"));
  return [readOnly(`consumers/${name}/`), ...written].join("\n");
}

function issuedTo(consumer: Consumer, args: ConsumerSecretsArgs, login: VaultLogin): Record<string, Values> {
  const { name, robot, organisation, s3User, buckets, database } = consumer;
  const { s3, database: password, webhook } = args.credentials[name] ?? {};
  const { git, vault } = args.sites;
  const token = args.tokens[name];
  return {
    forge: {
      username: robot,
      ...(token === undefined ? {} : { token }),
      organisation,
      url: `https://${git}`,
      registry: `${git}/${organisation}`,
      npm: `https://${git}/api/packages/${organisation}/npm/`,
    },
    vault: { address: `https://${vault}`, roleId: login.roleId, secretId: login.secretId },
    ...(s3User === undefined || s3 === undefined
      ? {}
      : {
          s3: {
            accessKey: s3User,
            secretKey: s3,
            endpoint: `https://${args.sites.s3}`,
            region: S3_REGION,
            buckets: buckets.map((bucket) => bucket.name).join(","),
          },
        }),
    ...(database === undefined || password === undefined
      ? {}
      : { database: { username: database, password, database, server: ENDPOINTS.postgres } }),
    ...(webhook === undefined ? {} : { webhook: { secret: webhook } }),
  };
}
