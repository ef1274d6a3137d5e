import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import foundation from "../../index.ts";
import { deriveSecrets, type DerivedSecrets } from "../../keys/derive.ts";
import { createKeyFile, openKeyFile } from "../../keys/keyfile.ts";
import { derivedSecrets, generatedSecret } from "../../review/known-secrets.ts";
import { computed, generate, TOKEN } from "../../review/placeholders.ts";
import { record, type Mode } from "../../review/record.ts";
import { ofType, PASSWORD, type Run } from "../../review/policy/rule.ts";

export const PASSPHRASE = "hatbox-outlook-clover-vanish-jukebox-ripple-oversleep";
export const HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVhIFhXeXUT/VhyvzD9sZQx3YTiRGvxVzGM7yCGUdWj";

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
      ci: { refs: ["refs/heads/main", "refs/tags/v*"], events: ["push", "schedule"] },
      rotation: 2,
    },
    { name: "ci-team" },
  ],
};

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
      const credentials = ofType(recording, PASSWORD).map(({ name }) =>
        generatedSecret(name, generated[name] ?? generate(name)),
      );
      const secrets = [...derivedSecrets(derived, recording), ...credentials].flatMap(({ forms }) => forms);
      return { ...recording, knownSecrets: [PASSPHRASE, TOKEN, ...bucketSecrets, ...secrets] };
    },
    remove: () => rmSync(directory, { recursive: true }),
  };
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
