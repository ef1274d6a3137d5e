import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import foundation from "../../index.ts";
import { deriveSecrets, type DerivedSecrets } from "../../keys/derive.ts";
import { createKeyFile, openKeyFile } from "../../keys/keyfile.ts";
import { record, type Mode } from "../../review/record.ts";
import { ofType, PASSWORD, REMOTE, type Run } from "../../review/policy/rule.ts";

export const PASSPHRASE = "hatbox-outlook-clover-vanish-jukebox-ripple-oversleep";
export const HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVhIFhXeXUT/VhyvzD9sZQx3YTiRGvxVzGM7yCGUdWj";

export const VM_ID = "0123456789abcdef0123456789abcdef";
/** of the key of the repository on the offsite */
export const KEY_ID = "ab".repeat(32);
export const OFFSITE_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfi3pGMzDaM6sD0lp1Vh0z5ynCzPT2RyjcbXIlWbGwK";
export const OFFSITE = { offsite: { address: "198.51.100.9", hostKey: OFFSITE_KEY } };
export const REPOSITORY = {
  offsite: {
    repository: "s3:https://s3.example.net/bucket",
    accessKeyId: "AKIA123",
    secretAccessKey: "key-of-the-bucket",
  },
};

/** Tenants: one with everything, one with nothing that has to be asked for. */
export const CONSUMERS = {
  consumers: [
    {
      name: "cluster",
      organisation: "clusters",
      access: "read",
      repositories: ["fleet", "infra"],
      buckets: [{ name: "velero", quota: "50G" }, { name: "loki" }],
      database: true,
      secrets: ["consumers/cluster/app/*", "consumers/cluster/sops"],
      webhooks: [
        { url: "https://flux.example.com/hook/1", events: ["push", "create"], repository: "fleet" },
        { url: "https://git.example.org/api/x", events: ["package"] },
      ],
      rotation: 2,
    },
    { name: "ci-team" },
  ],
};
/** of the consumers' accounts at the forge */
export const TOKEN = "0123456789abcdef0123456789abcdef01234567";

/** A real certificate, valid until 2126, in place of those that the tls provider would compute. */
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBujCCAWGgAwIBAgIUOKqIDhY/mBpvlCR2EyL8nOeFxvcwCgYIKoZIzj0EAwIw
MjETMBEGA1UECgwKRm91bmRhdGlvbjEbMBkGA1UEAwwSRm91bmRhdGlvbiBSb290
IENBMCAXDTI2MTEyMTE5NTIwNloYDzIxMjYxMDI4MTk1MjA2WjAyMRMwEQYDVQQK
DApGb3VuZGF0aW9uMRswGQYDVQQDDBJGb3VuZGF0aW9uIFJvb3QgQ0EwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAAS6zi/kTVhaZB8oJfStEB6U04A3u3wf67NI72Nk
U1k+VnAjZKL5wON/LfAGmJPeYHIP3zxUTMD1B31tSu0JX9yWo1MwUTAdBgNVHQ4E
FgQUgIF0muH3OCkBcpT6QEVH6W8ge9YwHwYDVR0jBBgwFoAUgIF0muH3OCkBcpT6
QEVH6W8ge9YwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiA7uZUc
HOqMk1b0eMRY8euGp/QL52hQLO3C/YwExdcxngIgdywcgRRYdBqOtP2Vw7S5C9mH
VThYKuvJ9ofONWVqgTE=
-----END CERTIFICATE-----
`;

export const CONFIG: Readonly<Record<string, unknown>> = {
  domain: "example.org",
  host: { address: "203.0.113.7", hostKey: HOST_KEY },
  tls: { mode: "internal" },
  offsite: "none",
  forge: { admin: "operator", adminEmail: "ops@example.org", organisation: "platform" },
};

/** The real program with a key file of its own. */
export interface Fixture {
  /** of the key file */
  readonly directory: string;
  readonly derived: DerivedSecrets;
  /**
   * @param changes configuration without the prefix `foundation:`; undefined removes a key
   * @param generated other values for generated credentials, by name
   */
  run(mode: Mode, changes?: Record<string, unknown>, generated?: Record<string, string>): Promise<Run>;
  remove(): void;
}

/** @returns a fixture whose key file opens at little cost */
export async function createFixture(): Promise<Fixture> {
  const directory = mkdtempSync(join(tmpdir(), "program-"));
  const path = join(directory, "test.key.json");
  const passphrase = Buffer.from(PASSPHRASE);
  await createKeyFile({ path, stack: "test", passphrase, scryptCost: 2 });
  const derived = deriveSecrets(await openKeyFile({ path, passphrase }));
  process.env.PULUMI_CONFIG_PASSPHRASE = PASSPHRASE;
  return {
    directory,
    derived,
    async run(mode, changes = {}, generated = {}) {
      const vaultTunnelPort = mode === "up" ? await freePort() : 18200;
      const values: Record<string, unknown> = { keyDirectory: directory, vaultTunnelPort, ...CONFIG, ...changes };
      const known = Object.entries(values).filter(([, value]) => value !== undefined);
      const config = Object.fromEntries(known.map(([key, value]) => [`foundation:${key}`, value]));
      const recording = await record(foundation, {
        mode,
        config,
        computed: (type, name) => computed(type, name, generated),
      });
      const bucketSecrets = values.offsite === REPOSITORY.offsite ? [REPOSITORY.offsite.secretAccessKey] : [];
      const credentials = ofType(recording, PASSWORD).flatMap(({ name }) =>
        forms(name, generated[name] ?? generate(name)),
      );
      return {
        ...recording,
        knownSecrets: [PASSPHRASE, TOKEN, ...bucketSecrets, ...derivedSecrets(derived), ...credentials],
      };
    },
    remove: () => rmSync(directory, { recursive: true }),
  };
}

/** The value of a generated credential in these tests. */
export function generate(name: string): string {
  return createHash("sha512").update(name).digest("hex").slice(0, 40);
}

function computed(type: string, name: string, generated: Record<string, string>): Record<string, unknown> {
  switch (type) {
    case PASSWORD:
      return { result: generated[name] ?? generate(name) };
    case "tls:index/selfSignedCert:SelfSignedCert":
    case "tls:index/locallySignedCert:LocallySignedCert":
      return { certPem: CERTIFICATE };
    case "tls:index/certRequest:CertRequest":
      return { certRequestPem: "-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n" };
    case REMOTE:
      if (/^consumer-.*-token$/.test(name)) return { stdout: `${TOKEN}\n`, stderr: "" };
      if (name === "vm-id") return { stdout: VM_ID, stderr: "" };
      return name === "offsite-server" ? { stdout: `${KEY_ID}\n`, stderr: "" } : {};
    default:
      return {};
  }
}

/** A generated credential and what the program makes of it. */
function forms(name: string, value: string): string[] {
  const digest = createHash("sha256").update(value).digest();
  if (name === "forgejo-oauth-secret" || name === "forgejo-lfs-secret") return [value, digest.toString("base64url")];
  if (name === "runner-secret") return [value, digest.toString("hex").slice(0, 40)];
  return [value];
}

function derivedSecrets(derived: DerivedSecrets): string[] {
  const roles = [
    "pulumi",
    "operator",
    "forgejo",
    "postgres",
    "rustfs",
    "ci",
    "backup",
    "consumer-cluster--2",
    "consumer-ci-team",
  ];
  return [
    derived.forgejo.secretKey,
    derived.forgejo.sshHostKeys.ed25519.privateKeyPem,
    derived.forgejo.sshHostKeys.ecdsa.privateKeyPem,
    derived.ca.rootKeyPem,
    derived.ca.intermediateKeyPem,
    derived.restic.password,
    derived.offsite.password(VM_ID),
    derived.offsite.serverKeyPem,
    derived.fileFingerprintKey.toString("hex"),
    ...roles.map((role) => derived.vaultAppRole(role).secretId),
  ];
}

/** A loopback port that nothing listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
