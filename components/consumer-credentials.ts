import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { Consumer } from "../config-consumers.ts";

/** What is generated for a consumer; absent where it has nothing to use it for. */
export interface ConsumerCredential {
  readonly s3?: pulumi.Output<string>;
  readonly database?: pulumi.Output<string>;
  readonly webhook?: pulumi.Output<string>;
}

/** The credentials of consumers: random, like the foundation's own, and new when the declared rotation is. */
export class ConsumerCredentials extends pulumi.ComponentResource {
  static readonly stage = 1;
  /** by name of the consumer */
  readonly values: Readonly<Record<string, ConsumerCredential>>;

  constructor(name: string, args: { readonly consumers: readonly Consumer[] }) {
    super("foundation:index:ConsumerCredentials", name, {});
    this.values = Object.fromEntries(args.consumers.map((consumer) => [consumer.name, this.generate(consumer)]));
    this.registerOutputs({});
  }

  private generate({ name, rotation, s3User, database, webhooks }: Consumer): ConsumerCredential {
    const keepers = { rotation: String(rotation) };
    const password = (use: string): pulumi.Output<string> =>
      // No special characters: values are written into SQL, JSON and curl configuration as they are.
      new random.RandomPassword(`consumer-${name}-${use}`, { length: 40, special: false, keepers }, { parent: this })
        .result;
    return {
      ...(s3User === undefined ? {} : { s3: password("s3") }),
      ...(database === undefined ? {} : { database: password("database") }),
      ...(webhooks.length === 0 ? {} : { webhook: password("webhook") }),
    };
  }
}
