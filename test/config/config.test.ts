import { describe, expect, it } from "vitest";
import { parseConfig } from "../../config.ts";
import { IMAGES } from "../../images.ts";
import { SIZES } from "../../sizing.ts";
import { forge, host, HOST_KEY, OFFSITE_KEY, offsite, VALID } from "./valid.ts";

const DIGEST = `sha256:${"0".repeat(64)}`;

describe("an accepted configuration", () => {
  it("is filled up with defaults", () => {
    expect(parseConfig(VALID)).toEqual({
      domain: "example.org",
      sites: { home: "example.org", git: "git.example.org", vault: "vault.example.org", s3: "s3.example.org" },
      host: { address: "203.0.113.7", user: "root", port: 22, hostKey: HOST_KEY },
      tls: { mode: "internal" },
      offsite: "none",
      forge: { admin: "operator", adminEmail: "ops@example.org", organisation: "platform", sshPort: 2222 },
      size: "s",
      sizing: SIZES.s,
      backup: { everyMinutes: 15 },
      images: IMAGES,
      runner: { enabled: false },
      subnetPrefix: "172.30",
      keyDirectory: "keys/stacks",
      vaultTunnelPort: 18200,
    });
  });

  it("may give everything", () => {
    const config = parseConfig({
      domain: "foundation.test",
      sites: {
        home: "www.foundation.test",
        git: "code.foundation.test",
        vault: "secrets.foundation.test",
        s3: "objects.foundation.test",
      },
      host: { address: "vm", user: "debian", port: 2022, hostKey: HOST_KEY },
      tls: { mode: "files", certificate: "/etc/tls/cert.pem", key: "/etc/tls/key.pem" },
      offsite: { address: "offsite.foundation.test", user: "backup", port: 23, hostKey: OFFSITE_KEY },
      forge: { admin: "a", adminEmail: "a@b.c", organisation: "b.c-d_e", sshPort: 2200 },
      size: "l",
      backup: { every: "24h" },
      images: { caddy: `127.0.0.1:5000/caddy:2@${DIGEST}` },
      registryMirror: "mirror.test:5000/proxy",
      runner: { enabled: true },
      subnet: "10.0.0.0/16",
      keyDirectory: "/var/keys of mine",
      vaultTunnelPort: 18201,
    });
    expect(config).toMatchObject({
      sites: {
        home: "www.foundation.test",
        git: "code.foundation.test",
        vault: "secrets.foundation.test",
        s3: "objects.foundation.test",
      },
      host: { address: "vm", user: "debian", port: 2022 },
      tls: { mode: "files", certificate: "/etc/tls/cert.pem", key: "/etc/tls/key.pem" },
      offsite: { address: "offsite.foundation.test", user: "backup", port: 23, hostKey: OFFSITE_KEY },
      sizing: SIZES.l,
      backup: { everyMinutes: 1440 },
      runner: { enabled: true },
      subnetPrefix: "10.0",
      keyDirectory: "/var/keys of mine",
      vaultTunnelPort: 18201,
    });
  });

  it("takes the strings that `pulumi config set` writes for numbers and flags", () => {
    const config = parseConfig({
      ...VALID,
      ...host({ port: "2022" }),
      ...forge({ sshPort: "2200" }),
      ...offsite({ port: "23" }),
      runner: { enabled: "true" },
      vaultTunnelPort: "18201",
    });
    expect(config).toMatchObject({
      host: { port: 2022 },
      forge: { sshPort: 2200 },
      offsite: { user: "root", port: 23 },
      runner: { enabled: true },
      vaultTunnelPort: 18201,
    });
    expect(parseConfig({ ...VALID, runner: { enabled: "false" } }).runner).toEqual({ enabled: false });
  });

  it("asks Let's Encrypt unless told otherwise", () => {
    const acme = { mode: "acme", email: "ops@example.org" };
    expect(parseConfig({ ...VALID, tls: acme }).tls).toEqual({
      ...acme,
      directory: "https://acme-v02.api.letsencrypt.org/directory",
    });
    const directory = "https://pebble.example.org:14000/dir";
    expect(parseConfig({ ...VALID, tls: { ...acme, directory } }).tls).toEqual({ ...acme, directory });
  });

  it.each([
    ["5m", 5],
    ["90m", 90],
    ["1h", 60],
    ["24h", 1440],
  ])("counts the backup interval in minutes: %s", (every, everyMinutes) => {
    expect(parseConfig({ ...VALID, backup: { every } }).backup).toEqual({ everyMinutes });
  });

  it.each([`ecdsa-sha2-nistp256 ${"A".repeat(139)}=`, `ssh-rsa ${"A".repeat(372)}`])(
    "takes host keys of the other types: %s",
    (hostKey) => {
      expect(parseConfig({ ...VALID, ...host({ hostKey }) }).host.hostKey).toBe(hostKey);
    },
  );

  it("names sites one by one", () => {
    expect(parseConfig({ ...VALID, sites: { s3: "objects.example.net" } }).sites).toEqual({
      home: "example.org",
      git: "git.example.org",
      vault: "vault.example.org",
      s3: "objects.example.net",
    });
  });
});

describe("images", () => {
  it("are all pinned by tag and digest, with the registry's name", () => {
    for (const reference of Object.values(IMAGES))
      expect(reference).toMatch(/^[a-z]+(\.[a-z]+)+(\/[a-z]+)+:[\w.-]+@sha256:[0-9a-f]{64}$/);
  });

  it("behind a mirror keep path, tag and digest", () => {
    const { images } = parseConfig({ ...VALID, registryMirror: "127.0.0.1:5000/proxy" });
    const suffix = (reference: string): string => reference.slice(reference.lastIndexOf(":", reference.indexOf("@")));
    expect(images).toEqual({
      postgres: `127.0.0.1:5000/proxy/library/postgres${suffix(IMAGES.postgres)}`,
      rustfs: `127.0.0.1:5000/proxy/rustfs/rustfs${suffix(IMAGES.rustfs)}`,
      vault: `127.0.0.1:5000/proxy/hashicorp/vault${suffix(IMAGES.vault)}`,
      forgejo: `127.0.0.1:5000/proxy/forgejo/forgejo${suffix(IMAGES.forgejo)}`,
      runner: `127.0.0.1:5000/proxy/forgejo/runner${suffix(IMAGES.runner)}`,
      caddy: `127.0.0.1:5000/proxy/library/caddy${suffix(IMAGES.caddy)}`,
    });
  });

  it("that are overridden are taken as they are, the mirror notwithstanding", () => {
    const caddy = `registry.example.org/mine/caddy:2.11@${DIGEST}`;
    const { images } = parseConfig({ ...VALID, registryMirror: "mirror.example.org", images: { caddy } });
    expect(images.caddy).toBe(caddy);
    expect(images.vault).toBe(IMAGES.vault.replace("docker.io", "mirror.example.org"));
    expect(parseConfig({ ...VALID, images: { caddy } }).images).toEqual({ ...IMAGES, caddy });
  });
});

describe("sizes", () => {
  const sizes = Object.entries(SIZES);

  it.each(sizes)("%s: no single service can take the machine's memory", (_, { host, ...services }) => {
    const largest = Math.max(...Object.values(services).map(({ memoryMiB }) => memoryMiB));
    expect(largest).toBeLessThanOrEqual(host.memoryMiB * 0.6);
  });

  it.each(sizes)("%s: PostgreSQL has room for its clients and its caches", (_, { postgres, forgejo }) => {
    // Superusers keep three connections; psql and the backup need some beside the forge.
    expect(forgejo.databaseConnections).toBeLessThanOrEqual(postgres.maxConnections / 2);
    expect(postgres.sharedBuffersMiB + postgres.sharedMemoryMiB).toBeLessThan(postgres.memoryMiB / 2);
  });

  it("grow", () => {
    const [s, m, l] = [SIZES.s, SIZES.m, SIZES.l];
    for (const service of ["postgres", "rustfs", "vault", "forgejo", "runner", "caddy", "host"] as const) {
      expect(m[service].memoryMiB).toBeGreaterThan(s[service].memoryMiB);
      expect(l[service].memoryMiB).toBeGreaterThan(m[service].memoryMiB);
    }
  });
});
