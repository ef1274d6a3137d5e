import { describe, expect, it } from "vitest";
import { parseConfig } from "../../config.ts";
import { IMAGES } from "../../images.ts";
import { SIZES } from "../../sizing.ts";
import { forge, host, HOST_KEY, OFFSITE_KEY, offsite, repository, VALID } from "./valid.ts";

const DIGEST = `sha256:${"0".repeat(64)}`;

describe("an accepted configuration", () => {
  it("may be that of a drill", () => {
    const drill = { asVm: "0123456789abcdef".repeat(2), keyHint: "ab".repeat(32) };
    expect(parseConfig({ ...VALID, ...offsite({}), drill }).drill).toEqual(drill);
    expect(parseConfig({ ...VALID, ...repository(), drill: {} }).drill).toEqual({});
  });

  it("is filled up with defaults", () => {
    expect(parseConfig(VALID)).toEqual({
      domain: "example.org",
      sites: { home: "example.org", git: "git.example.org", vault: "vault.example.org", s3: "s3.example.org" },
      host: { address: "203.0.113.7", user: "root", port: 22, hostKey: HOST_KEY },
      tls: { mode: "internal" },
      offsite: "none",
      forge: {
        admin: "operator",
        adminEmail: "ops@example.org",
        organisation: "platform",
        sshPort: 2222,
        repository: "foundation",
      },
      size: "s",
      sizing: SIZES.s,
      backup: { everyMinutes: 15 },
      seed: "auto",
      images: IMAGES,
      consumers: [],
      runner: { enabled: false, isolation: "rootless" },
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
      offsite: {
        address: "offsite.foundation.test",
        user: "backup",
        port: 23,
        hostKey: OFFSITE_KEY,
        restPort: 8443,
        maxSize: "2T",
      },
      seed: "2026-01-31T12:00:00Z",
      forge: {
        ...{ admin: "a", adminEmail: "a@b.c", organisation: "b.c-d_e", sshPort: 2200 },
        ...{ repository: "egg", deployKey: HOST_KEY },
      },
      size: "l",
      backup: { every: "24h" },
      images: { caddy: `127.0.0.1:5000/caddy:2@${DIGEST}` },
      registryMirror: "mirror.test:5000/proxy",
      runner: { enabled: true, isolation: "container" },
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
      offsite: {
        address: "offsite.foundation.test",
        user: "backup",
        port: 23,
        hostKey: OFFSITE_KEY,
        restPort: 8443,
        maxSizeBytes: 2_199_023_255_552,
      },
      forge: { repository: "egg", deployKey: HOST_KEY },
      seed: "2026-01-31T12:00:00Z",
      sizing: SIZES.l,
      backup: { everyMinutes: 1440 },
      runner: { enabled: true, isolation: "container" },
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
      ...offsite({ port: "23", restPort: "8443" }),
      runner: { enabled: "true" },
      vaultTunnelPort: "18201",
    });
    expect(config).toMatchObject({
      host: { port: 2022 },
      forge: { sshPort: 2200 },
      offsite: { user: "root", port: 23, restPort: 8443 },
      runner: { enabled: true },
      vaultTunnelPort: 18201,
    });
    expect(parseConfig({ ...VALID, runner: { enabled: "false" } }).runner).toEqual({
      enabled: false,
      isolation: "rootless",
    });
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

  it("may name a restic repository in place of a second host", () => {
    expect(parseConfig({ ...VALID, ...repository() }).offsite).toEqual({
      repository: "s3:https://s3.example.net/bucket/foundation",
      accessKeyId: "AKIA123",
      secretAccessKey: "secret-of-the-bucket",
      region: "us-east-1",
    });
    const secretAccessKey = { secure: "v1:abc" };
    const asInTheFile = repository({ secretAccessKey, repository: "s3:http://10.0.0.9:9000/b", region: "garage" });
    expect(parseConfig({ ...VALID, ...asInTheFile }).offsite).toEqual({
      repository: "s3:http://10.0.0.9:9000/b",
      accessKeyId: "AKIA123",
      region: "garage",
    });
  });

  it.each([
    ["50M", 52_428_800],
    ["500G", 536_870_912_000],
    ["1T", 1_099_511_627_776],
  ])("counts the offsite's size in bytes: %s", (maxSize, maxSizeBytes) => {
    expect(parseConfig({ ...VALID, ...offsite({ maxSize }) }).offsite).toEqual({
      address: "198.51.100.9",
      user: "root",
      port: 22,
      hostKey: OFFSITE_KEY,
      restPort: 8000,
      maxSizeBytes,
    });
  });

  it.each(["auto", "fresh", "0123abcd", "f".repeat(64), "2026-01-31T12:00Z", "2026-01-31T12:00:00.5+02:00"])(
    "takes every way to say what empty volumes are filled with: %s",
    (seed) => {
      expect(parseConfig({ ...VALID, seed }).seed).toBe(seed);
    },
  );

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
      expect(reference).toMatch(/^[a-z]+(\.[a-z]+)+(\/[a-z-]+)+:[\w.-]+@sha256:[0-9a-f]{64}$/);
  });

  it("behind a mirror keep path, tag and digest", () => {
    const { images } = parseConfig({ ...VALID, registryMirror: "127.0.0.1:5000/proxy" });
    const suffix = (reference: string): string => reference.slice(reference.lastIndexOf(":", reference.indexOf("@")));
    expect(images).toEqual({
      postgres: `127.0.0.1:5000/proxy/library/postgres${suffix(IMAGES.postgres)}`,
      rustfs: `127.0.0.1:5000/proxy/rustfs/rustfs${suffix(IMAGES.rustfs)}`,
      vault: `127.0.0.1:5000/proxy/hashicorp/vault${suffix(IMAGES.vault)}`,
      forgejo: `127.0.0.1:5000/proxy/forgejo/forgejo${suffix(IMAGES.forgejo)}`,
      job: `127.0.0.1:5000/proxy/library/node${suffix(IMAGES.job)}`,
      runner: `127.0.0.1:5000/proxy/forgejo/runner${suffix(IMAGES.runner)}`,
      caddy: `127.0.0.1:5000/proxy/library/caddy${suffix(IMAGES.caddy)}`,
      restic: `127.0.0.1:5000/proxy/restic/restic${suffix(IMAGES.restic)}`,
      restServer: `127.0.0.1:5000/proxy/restic/rest-server${suffix(IMAGES.restServer)}`,
      node: `127.0.0.1:5000/proxy/library/node${suffix(IMAGES.node)}`,
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
