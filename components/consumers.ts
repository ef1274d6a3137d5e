import * as pulumi from "@pulumi/pulumi";
import type { Consumer } from "../config-consumers.ts";
import type { BackupSource } from "./backup-source.ts";
import { script, type Vm } from "./vm.ts";

interface ConsumersArgs {
  readonly vm: Vm;
  readonly consumers: readonly Consumer[];
  /** by name of the consumer */
  readonly credentials: Readonly<Record<string, { readonly webhook?: pulumi.Input<string> }>>;
  readonly forge: { readonly admin: string; readonly adminPassword: pulumi.Input<string> };
}

/**
 * What consumers have at the forge: an organisation with repositories and webhooks, and an account whose token opens
 * nothing else. Databases and buckets are given by their servers, and who is not declared any more loses all of it at
 * the servers' own set-up: so it is lost after a rebuild without state too, and nothing here is needed for it.
 */
export class Consumers extends pulumi.ComponentResource {
  static readonly stage = 6;
  /** of each consumer's account, by its name */
  readonly tokens: Readonly<Record<string, pulumi.Output<string>>>;

  constructor(name: string, args: ConsumersArgs, opts: pulumi.ComponentResourceOptions) {
    super("foundation:index:Consumers", name, {}, opts);
    this.tokens = Object.fromEntries(args.consumers.map((consumer) => [consumer.name, this.admit(consumer, args)]));
    this.registerOutputs({});
  }

  private admit(consumer: Consumer, { vm, credentials, forge }: ConsumersArgs): pulumi.Output<string> {
    const { name, robot, organisation, access, repositories, webhooks, rotation } = consumer;
    const password = pulumi.interpolate`${forge.adminPassword}\n`;
    const secret = credentials[name]?.webhook ?? "";
    const admitted = script(
      `consumer-${name}-forge`,
      vm,
      {
        script: "forgejo-consumer",
        args: [forge.admin, robot, organisation, access, ...repositories],
        stdin: pulumi.interpolate`${password}${secret}\n${webhooks.map(webhookLine).join("")}`,
        timeoutSeconds: 300,
      },
      { parent: this },
    );
    const issued = script(
      `consumer-${name}-token`,
      vm,
      {
        script: "forgejo-token",
        args: [forge.admin, robot, access, String(rotation)],
        stdin: password,
        timeoutSeconds: 120,
      },
      { parent: this, dependsOn: [admitted] },
    );
    return issued.stdout.apply((token) => token.trim());
  }
}

/** As forgejo-consumer.sh reads it. */
function webhookLine({ repository = "-", events, url }: Consumer["webhooks"][number]): string {
  return `${repository} ${events.join(",")} ${url}\n`;
}

/** What consumers keep in the stores that they share with the foundation. */
export function consumersBackup(consumers: readonly Consumer[]): BackupSource {
  return {
    volumes: [],
    databases: consumers.flatMap(({ database }) => (database === undefined ? [] : [{ name: database }])),
    buckets: consumers.flatMap(({ buckets }) => buckets.map(({ name }) => name)),
  };
}
