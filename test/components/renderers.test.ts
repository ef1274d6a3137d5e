import { describe, expect, it } from "vitest";
import { appIni } from "../../components/app-ini.ts";
import { caddyfile, type CaddyTls } from "../../components/caddy.ts";
import { landingPage } from "../../components/landing-page.ts";
import { settings } from "../../components/postgres.ts";
import { runnerConfig, storedJobImage } from "../../components/runner-config.ts";
import { runnerUuid } from "../../components/runner.ts";
import { vaultHcl } from "../../components/vault.ts";
import { READERS } from "../../components/vault-config.ts";

// The whole texts are in expected/, to be read as what they are; `vitest -u` rewrites them for review.

const SITES = { home: "example.org", git: "git.example.org", vault: "vault.example.org", s3: "s3.example.org" };

describe("Caddyfile", () => {
  const modes: CaddyTls[] = [
    { mode: "internal" },
    { mode: "acme", email: "ops@example.org", directory: "https://ca.example.net/directory" },
    { mode: "files", certificate: "/etc/ssl/site/cert.pem", key: "/etc/ssl/site/key.pem" },
  ];
  it.each(modes)("with certificates by $mode", async (tls) => {
    await expect(caddyfile(SITES, tls)).toMatchFileSnapshot(`expected/Caddyfile.${tls.mode}`);
  });

  it("differs between the modes in certificates alone", () => {
    const common = modes.map((tls) =>
      caddyfile(SITES, tls)
        .replace(/^\tpki \{\n(?:\t\t.*\n)*\t\}\n/m, "")
        .replace(/^\ttls (?:\/.*|\{\n(?:\t\t.*\n)*\t\})\n/m, "")
        .replace(/^\temail .*\n\tacme_ca .*\n/m, ""),
    );
    expect(common[1]).toBe(common[0]);
    expect(common[2]).toBe(common[0]);
  });
});

describe("app.ini", () => {
  const text = appIni({
    site: "git.example.org",
    sshPort: 2200,
    proxySubnet: "172.30.3.0/24",
    webhookHosts: Object.values(SITES),
    databaseConnections: 21,
    databasePassword: "DatabasePassword",
    s3AccessKey: "S3AccessKey",
    s3SecretKey: "S3SecretKey",
    secretKey: "SecretKey",
    internalToken: "InternalToken",
    oauthSecret: "OauthSecret",
    lfsSecret: "LfsSecret",
  });

  it("is this", async () => {
    await expect(text).toMatchFileSnapshot("expected/app.ini");
  });

  it("gives every value that the forge would otherwise generate and write into the file", () => {
    for (const key of ["SECRET_KEY", "INTERNAL_TOKEN", "LFS_JWT_SECRET", "JWT_SECRET", "PASSWD"])
      expect(text).toMatch(new RegExp(`^${key} = \\S+$`, "m"));
  });

  it("has each section and each key in it once, in a form that INI readers agree on", () => {
    const sections = text.split(/^\[/m);
    expect(new Set(sections.map((section) => section.split("]")[0])).size).toBe(sections.length);
    for (const section of sections) {
      const keys = section.split("\n").filter((line) => line.includes(" = "));
      expect(new Set(keys.map((line) => line.split(" = ")[0])).size).toBe(keys.length);
      // Quotes, a comment character or a line continuation would be read in different ways.
      // Those of git are in lower case.
      for (const line of keys) expect(line).toMatch(/^([A-Z0-9_]+|[a-z.]+) = [^`;#\\]+$/);
    }
  });
});

describe("vault.hcl", () => {
  it("is this", async () => {
    await expect(vaultHcl("https://vault.example.org", "172.30.4.0/24")).toMatchFileSnapshot("expected/vault.hcl");
  });
});

describe("policies", () => {
  it("are these", async () => {
    const text = Object.entries(READERS).map(([name, policy]) => `# ${name}\n${policy}`);
    await expect(text.join("\n")).toMatchFileSnapshot("expected/policies.hcl");
  });
});

describe("landing page", () => {
  const page = {
    domain: "example.org",
    entries: [
      { name: "Git", url: "https://git.example.org", purpose: "repositories" },
      { name: "Git over SSH", url: "ssh://git@git.example.org:2222", purpose: "clone and push" },
      { name: "OCI registry", url: "git.example.org/platform", purpose: "docker push and pull" },
    ],
    sshHostKeys: ["ssh-ed25519 AAAA+/=", "ecdsa-sha2-nistp256 BBBB"],
  };

  it("is this", async () => {
    await expect(landingPage(page)).toMatchFileSnapshot("expected/index.html.txt");
  });

  it("escapes everything that it shows", () => {
    const evil = `<b a="1" c='2'>&`;
    const html = landingPage({
      domain: evil,
      entries: [{ name: evil, url: `https://x/${evil}`, purpose: evil }],
      sshHostKeys: [evil],
    });
    const escaped = "&#60;b a=&#34;1&#34; c=&#39;2&#39;&#62;&#38;";
    expect(html.split(escaped)).toHaveLength(8);
    expect(html).not.toContain("<b");
  });

  it("loads nothing and runs nothing", () => {
    const html = landingPage({ ...page, entries: [] });
    expect(html).not.toMatch(/<script|<link|<img|<iframe|url\(|@import|\son\w+=|https?:/);
  });
});

describe("PostgreSQL's settings", () => {
  it("are these for size s", () => {
    const limits = { memoryMiB: 768, sharedMemoryMiB: 128, sharedBuffersMiB: 128, maxConnections: 50 };
    expect(settings(limits).join(" ")).toBe(
      "-c max_connections=50 -c shared_buffers=128MB -c effective_cache_size=384MB" +
        " -c password_encryption=scram-sha-256 -c log_connections=off -c log_min_duration_statement=5s",
    );
  });

  it("have whole megabytes of cache", () => {
    const limits = { memoryMiB: 1025, sharedMemoryMiB: 1, sharedBuffersMiB: 300, maxConnections: 7 };
    expect(settings(limits)).toContain("effective_cache_size=512MB");
  });
});

describe("runner", () => {
  const settings = {
    forgeUrl: "https://git.example.org",
    vaultUrl: "https://vault.example.org",
    uuid: "37633331-3539-3165-3862-363732323561",
  };
  it("has this configuration, with jobs in its own container", async () => {
    await expect(runnerConfig(settings)).toMatchFileSnapshot("expected/runner-config.container.txt");
  });

  it("has this configuration, with jobs in rootless containers", async () => {
    const image = storedJobImage(`registry.example.org/job:1@sha256:0123456789abcdef${"0".repeat(48)}`);
    await expect(
      runnerConfig({ ...settings, containers: { image, door: "172.30.13.254", sites: Object.values(SITES) } }),
    ).toMatchFileSnapshot("expected/runner-config.rootless.txt");
  });

  // The pair is the example of the forge's documentation of `forgejo-cli actions register`.
  it("has the id that the forge makes of its secret", () => {
    expect(runnerUuid("7c31591e8b67225a116d4a4519ea8e507e08f71f")).toBe("37633331-3539-3165-3862-363732323561");
    expect(runnerUuid("7c31591e8b67225a")).toBe("37633331-3539-3165-3862-363732323561");
  });
});
