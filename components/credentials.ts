import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

/** Length in characters of every credential that is generated. */
const LENGTHS = {
  "backup-database-password": 40,
  "forgejo-admin-password": 32,
  "forgejo-backup-password": 40,
  "forgejo-database-password": 40,
  "forgejo-internal-token": 64,
  "forgejo-lfs-secret": 64,
  "forgejo-oauth-secret": 64,
  "postgres-superuser-password": 40,
  "runner-secret": 64,
  "s3-access-key": 20,
  "s3-secret-key": 40,
} as const;

/** Name of a generated credential; also its logical name. */
export type CredentialName = keyof typeof LENGTHS;

/**
 * Every credential that can be issued again: random, kept in state, set anew on what uses it by the next `up` after
 * the state was lost. What cannot be issued again is derived from the master key instead and is not here.
 */
export class Credentials extends pulumi.ComponentResource {
  static readonly stage = 1;
  readonly values: Readonly<Record<CredentialName, pulumi.Output<string>>>;

  constructor(name: string, opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:Credentials", name, {}, opts);
    // RandomPassword only: the other random resources keep the value in their id, which is never encrypted.
    // No special characters: values are written into SQL, INI, YAML and curl configuration as they are.
    const generate = ([credential, length]: [string, number]): [string, pulumi.Output<string>] => [
      credential,
      new random.RandomPassword(credential, { length, special: false }, { parent: this }).result,
    ];
    this.values = Object.fromEntries(Object.entries(LENGTHS).map(generate)) as typeof this.values;
    this.registerOutputs({});
  }
}
