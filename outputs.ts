import * as pulumi from "@pulumi/pulumi";
import { createHash, X509Certificate } from "node:crypto";
import type { Credentials } from "./components/credentials.ts";
import type { LandingPage } from "./components/landing-page.ts";
import type { Config } from "./config.ts";
import type { DerivedSecrets } from "./keys/derive.ts";
import { offsiteWarning } from "./offsite-warning.ts";

/** Public addresses of the services. */
export function urls({
  sites,
  forge,
}: Config): Record<"home" | "git" | "ssh" | "oci" | "npm" | "vault" | "s3", string> {
  return {
    home: `https://${sites.home}`,
    git: `https://${sites.git}`,
    ssh: `ssh://git@${sites.git}:${String(forge.sshPort)}`,
    oci: `${sites.git}/${forge.organisation}`,
    npm: `https://${sites.git}/api/packages/${forge.organisation}/npm/`,
    vault: `https://${sites.vault}`,
    s3: `https://${sites.s3}`,
  };
}

/** Where jobs of Actions run, for people. */
export function jobsPlace({ runner }: Pick<Config, "runner">): string {
  if (!runner.enabled) return "none: foundation:runner.enabled is false";
  return runner.isolation === "rootless"
    ? "rootless containers, each job its own"
    : "the runner's own container, one after the other";
}

/** What the landing page shows. */
export function landing(config: Config, keys: DerivedSecrets): LandingPage {
  const url = urls(config);
  return {
    domain: config.domain,
    entries: [
      { name: "Git", url: url.git, purpose: "repositories, issues, Actions" },
      { name: "Git over SSH", url: url.ssh, purpose: "clone and push with a key" },
      { name: "OCI registry", url: url.oci, purpose: "docker push and pull" },
      { name: "npm registry", url: url.npm, purpose: "npm publish and install" },
      { name: "Vault", url: url.vault, purpose: "secrets" },
      { name: "S3", url: url.s3, purpose: "objects, path-style" },
    ],
    sshHostKeys: [keys.forgejo.sshHostKeys.ed25519.publicKey, keys.forgejo.sshHostKeys.ecdsa.publicKey],
  };
}

/** Every secret of the foundation by its path in Vault below `foundation/`; readers find them there. */
export function mirroredSecrets(
  config: Config,
  keys: DerivedSecrets,
  generated: Credentials["values"],
  vmId: pulumi.Output<string>,
): Record<string, Record<string, pulumi.Input<string>>> {
  const { sites, forge } = config;
  return {
    "forgejo/admin": {
      username: forge.admin,
      password: generated["forgejo-admin-password"],
      url: `https://${sites.git}`,
    },
    "forgejo/database": { username: "forgejo", password: generated["forgejo-database-password"], database: "forgejo" },
    "forgejo/security": { secretKey: keys.forgejo.secretKey },
    "postgres/superuser": { username: "postgres", password: generated["postgres-superuser-password"] },
    "rustfs/root": {
      accessKey: generated["s3-access-key"],
      secretKey: generated["s3-secret-key"],
      endpoint: `https://${sites.s3}`,
    },
    ...(config.offsite === "none" ? {} : offsiteSecrets(config.offsite, keys, vmId)),
  };
}

function offsiteSecrets(
  target: Exclude<Config["offsite"], "none">,
  { offsite, restic }: DerivedSecrets,
  vmId: pulumi.Output<string>,
): Record<string, Record<string, pulumi.Input<string>>> {
  const repository = { "offsite/restic": { password: restic.password } };
  if ("address" in target) {
    const server = { username: offsite.username, password: pulumi.secret(vmId.apply(offsite.password)) };
    return { ...repository, "offsite/server": server };
  }
  const { accessKeyId: accessKey, secretAccessKey: secretKey = "", repository: url } = target;
  return { ...repository, "offsite/s3": { accessKey, secretKey: pulumi.secret(secretKey), repository: url } };
}

/** The stack's outputs. None is secret: what is secret is named by the place where it lives. */
export function stackOutputs(
  config: Config,
  keys: DerivedSecrets,
  caCertificate: pulumi.Output<string>,
): Record<string, unknown> {
  const { ed25519, ecdsa } = keys.forgejo.sshHostKeys;
  return {
    urls: urls(config),
    caCertificate,
    fingerprints: {
      caCertificate: caCertificate.apply((pem) => new X509Certificate(pem).fingerprint256),
      forgejoSshEd25519: sshFingerprint(ed25519.publicKey),
      forgejoSshEcdsa: sshFingerprint(ecdsa.publicKey),
      vmSsh: sshFingerprint(config.host.hostKey),
    },
    credentials: {
      forgejoAdmin: "Vault: foundation/forgejo/admin",
      postgresSuperuser: "Vault: foundation/postgres/superuser",
      s3Root: "Vault: foundation/rustfs/root",
      vault: `AppRole operator: npx foundation creds --stack ${pulumi.getStack()}`,
      vaultShares: `${config.keyDirectory}/${pulumi.getStack()}.shares.json, sealed under the master passphrase`,
      masterKey: `${config.keyDirectory}/${pulumi.getStack()}.key.json, opened by the master passphrase`,
    },
    jobs: jobsPlace(config),
    warnings: [offsiteWarning(config)].filter((warning) => warning !== undefined),
  };
}

/** `SHA256:…` as `ssh-keygen -l` prints it. */
export function sshFingerprint(publicKey: string): string {
  const blob = Buffer.from(publicKey.split(" ")[1] ?? "", "base64");
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}
