import * as pulumi from "@pulumi/pulumi";

/** What the backup needs to write to the offsite, and a rebuild to read from it. */
export interface Repository {
  /** as restic takes it, without credentials: `rest:https://198.51.100.9:8000/foundation-…/` */
  readonly url: string;
  readonly username: string;
  /** that of our own server differs from VM to VM: it accepts only the one that was deployed last */
  readonly password: pulumi.Output<string>;
  /** id of the key that restic tries first: one that somebody else put beside it may stop restic */
  readonly keyHint?: pulumi.Output<string>;
  /** PEM; the server's certificate is signed by it. Absent where a public CA signs it */
  readonly caCertificate?: pulumi.Output<string>;
  /** of an S3 server */
  readonly region?: string;
}

/** Whether it is on a host of ours, which tells VMs apart and lets none of them delete. */
export const isOurs = ({ url }: Repository): boolean => url.startsWith("rest:");

/** The file that the job trusts the server by; none for a public CA. */
export function offsiteCa({ caCertificate }: Repository): Record<string, pulumi.Input<string>> {
  return caCertificate === undefined ? {} : { "offsite_ca.pem": caCertificate };
}

/** A repository that somebody else keeps. */
export function foreignRepository(args: {
  readonly repository: string;
  readonly accessKeyId: string;
  readonly secretAccessKey?: string;
  readonly region: string;
}): Repository {
  const { repository: url, accessKeyId: username, secretAccessKey, region } = args;
  if (secretAccessKey === undefined) throw new Error("the secret access key was not decrypted");
  return { url, username, password: pulumi.secret(secretAccessKey), region };
}
