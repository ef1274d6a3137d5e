import type * as pulumi from "@pulumi/pulumi";
import { ConsumerCredentials } from "./components/consumer-credentials.ts";
import { Consumers } from "./components/consumers.ts";
import { ConsumerSecrets } from "./components/consumer-secrets.ts";
import type { ConsumerDatabase } from "./components/postgres.ts";
import type { ConsumerBuckets } from "./components/rustfs.ts";
import type { VaultConfig } from "./components/vault-config.ts";
import type { Vm } from "./components/vm.ts";
import { webhookHost } from "./config-consumers.ts";
import type { Config } from "./config.ts";
import type { DerivedSecrets } from "./keys/derive.ts";

/** What the stages of consumers have in common. */
interface StagesArgs {
  readonly config: Pick<Config, "consumers" | "forge" | "sites">;
  readonly vm: Vm;
  readonly appRole: DerivedSecrets["vaultAppRole"];
}

/** What each server is told of the consumers, and what they are given once all of them run. Without any, nothing. */
export function consumerStages({ config, vm, appRole }: StagesArgs) {
  const { consumers, forge, sites } = config;
  // 1
  const credentials = consumers.length > 0 ? new ConsumerCredentials("consumer-credentials", { consumers }).values : {};
  const databases = consumers.flatMap(({ name, database }): ConsumerDatabase[] => {
    const password = credentials[name]?.database;
    return database === undefined || password === undefined ? [] : [{ database, password }];
  });
  const buckets = consumers.flatMap(({ name, s3User: user, buckets }): ConsumerBuckets[] => {
    const secretKey = credentials[name]?.s3;
    return user === undefined || secretKey === undefined ? [] : [{ user, secretKey, buckets }];
  });
  const hosts = consumers.flatMap(({ webhooks }) => webhooks.map(({ url }) => webhookHost(url)));
  const own: readonly string[] = Object.values<string>({ ...sites });
  return {
    databases,
    buckets,
    vaultRoles: consumers.map(({ vaultRole }) => vaultRole),
    forge: {
      robots: consumers.map(({ robot, organisation }) => `${robot}:${organisation}`),
      webhookHosts: [...new Set(hosts)].filter((host) => !own.includes(host)).sort(),
    },
    /** stage 6 */
    admit: (adminPassword: pulumi.Input<string>, vault: VaultConfig, after: pulumi.ComponentResourceOptions): void => {
      if (consumers.length === 0) return;
      const common = { consumers, credentials };
      const { admin } = forge;
      const { tokens } = new Consumers("consumers", { vm, ...common, forge: { admin, adminPassword } }, after);
      const inVault = { provider: vault.provider, dependsOn: [vault] };
      new ConsumerSecrets("consumer-secrets", { ...common, tokens, appRole, sites }, inVault);
    },
  };
}
