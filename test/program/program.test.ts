import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { EXIT } from "../../errors.ts";
import { sshFingerprint } from "../../outputs.ts";
import foundation from "../../index.ts";
import { record, type Mode } from "../../review/record.ts";
import { CERTIFICATE } from "../../review/placeholders.ts";
import { CONFIG, createFixture, HOST_KEY, OFFSITE, PASSPHRASE, type Fixture } from "./fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.remove());

describe("outputs", () => {
  it("say where everything is, and nothing that is secret", async () => {
    const { outputs, secretOutputs, warnings } = await fixture.run("up");
    const { ed25519, ecdsa } = fixture.derived.forgejo.sshHostKeys;
    expect(outputs).toEqual({
      urls: {
        home: "https://example.org",
        git: "https://git.example.org",
        ssh: "ssh://git@git.example.org:2222",
        oci: "git.example.org/platform",
        npm: "https://git.example.org/api/packages/platform/npm/",
        vault: "https://vault.example.org",
        s3: "https://s3.example.org",
      },
      caCertificate: CERTIFICATE,
      fingerprints: {
        caCertificate: new X509Certificate(CERTIFICATE).fingerprint256,
        forgejoSshEd25519: sshFingerprint(ed25519.publicKey),
        forgejoSshEcdsa: sshFingerprint(ecdsa.publicKey),
        vmSsh: sshFingerprint(HOST_KEY),
      },
      credentials: {
        forgejoAdmin: "Vault: foundation/forgejo/admin",
        postgresSuperuser: "Vault: foundation/postgres/superuser",
        s3Root: "Vault: foundation/rustfs/root",
        vault: "AppRole operator: npx foundation creds --stack test",
        vaultShares: `${fixture.directory}/test.shares.json, sealed under the master passphrase`,
        masterKey: `${fixture.directory}/test.key.json, opened by the master passphrase`,
      },
      jobs: "none: foundation:runner.enabled is false",
      warnings: ["offsite is none: there is no backup outside this VM"],
    });
    expect(secretOutputs).toEqual([]);
    expect(warnings).toEqual(["warning: [runtime] offsite is none: there is no backup outside this VM"]);
  });

  it("do not warn where there is an offsite", async () => {
    const { outputs, warnings } = await fixture.run("repreview", OFFSITE);
    expect(outputs.warnings).toEqual([]);
    expect(warnings).toEqual([]);
  });

  // ssh-keygen -lf of the public keys on the left.
  it.each([
    [HOST_KEY, "SHA256:bHFhc/JoRCZyBk8+qah4yBXifPsm4nxkABhm22D1xkE"],
    [
      "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBOxFQit8s6R5/xXi3T4ccyFrY0ZHjT2opqdqQfPvLa/l0aFVRae//SXMMiC3F1mUWUqA0TLecHdCkENqvXdU970=",
      "SHA256:Xe445LFHqiduCkhMipJLcIeDb8l4ErLPsykLqmi7jic",
    ],
  ])("print fingerprints as OpenSSH does: %s", (key, expected) => expect(sshFingerprint(key)).toBe(expected));
});

describe("what stops the program stops it before it registers anything on the VM", () => {
  /** The error and the names of what had been registered when it was thrown. */
  async function fail(mode: Mode, changes: Record<string, unknown>): Promise<{ error: unknown; registered: string[] }> {
    let error: unknown;
    const values = { ...CONFIG, keyDirectory: fixture.directory, ...changes };
    const config = Object.fromEntries(Object.entries(values).map(([key, value]) => [`foundation:${key}`, value]));
    const program = async (): Promise<void> => {
      await foundation().catch((thrown: unknown) => (error = thrown));
    };
    const { resources } = await record(program, { mode, config });
    return { error, registered: resources.map(({ name }) => name) };
  }

  afterEach(() => {
    process.env.PULUMI_CONFIG_PASSPHRASE = PASSPHRASE;
  });

  it("an invalid configuration", async () => {
    const { error, registered } = await fail("up", { size: "xl" });
    expect(registered).toEqual([]);
    expect(error).toMatchObject({
      message: "config foundation:size: is not one of: s, m, l: xl\nhint: pulumi config set foundation:size s",
      cause: { exitCode: EXIT.config },
    });
  });

  it("no passphrase", async () => {
    delete process.env.PULUMI_CONFIG_PASSPHRASE;
    const { error, registered } = await fail("up", {});
    expect(registered).toEqual([]);
    expect(error).toMatchObject({
      message: "passphrase: none given\nhint: export PULUMI_CONFIG_PASSPHRASE=… or PULUMI_CONFIG_PASSPHRASE_FILE=PATH",
      cause: { exitCode: EXIT.passphrase },
    });
  });

  it("a wrong passphrase", async () => {
    process.env.PULUMI_CONFIG_PASSPHRASE = "something else";
    const { error, registered } = await fail("up", {});
    expect(registered).toEqual([]);
    expect(error).toMatchObject({
      message:
        `${fixture.directory}/test.key.json: the passphrase does not open this key file\n` +
        "hint: type it again, to the letter; if it is lost: npx foundation vault passphrase reset",
      cause: { exitCode: EXIT.passphrase },
    });
  });

  it("a missing key file", async () => {
    const { error, registered } = await fail("preview", { keyDirectory: "/nonexistent" });
    expect(registered).toEqual([]);
    expect(error).toMatchObject({
      message:
        "/nonexistent/test.key.json: no key file\n" +
        "hint: a new foundation: npx foundation init; an existing one: git restore -- /nonexistent/test.key.json",
      cause: { exitCode: EXIT.keyFile },
    });
  });

  it("a tunnel port that is taken, but in a preview nothing listens there", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    try {
      const { error, registered } = await fail("up", { vaultTunnelPort: port });
      expect(registered).toEqual(["vm"]);
      expect(error).toMatchObject({
        message:
          `vault tunnel: cannot listen on 127.0.0.1:${String(port)}: EADDRINUSE\n` +
          "hint: end the other run, or choose another port: pulumi config set foundation:vaultTunnelPort 18201",
        cause: { exitCode: EXIT.failed },
      });
      expect((await fail("preview", { vaultTunnelPort: port })).error).toBeUndefined();
    } finally {
      other.close();
    }
  });
});

describe("the project file", () => {
  const project = parse(readFileSync("Pulumi.yaml", "utf8")) as Record<string, never>;

  it("has the program run by Node as it is, under the name that typed configuration needs", () => {
    expect(project).toMatchObject({
      name: "foundation",
      main: ".",
      runtime: { name: "nodejs", options: { typescript: false, packagemanager: "npm" } },
    });
  });

  it("has no default provider for what lives on the VM", () => {
    expect(project.config).toEqual({ "pulumi:disable-default-providers": { value: ["docker", "vault"] } });
  });
});

describe("the package", () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync("package.json", "utf8")) as Record<
    string,
    Record<string, string>
  >;

  it("pins every dependency to one version", () => {
    const versions = Object.entries({ ...dependencies, ...devDependencies });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });

  it("has the providers that the facts were measured with", () => {
    const providers = Object.entries(dependencies ?? {}).filter(([name]) => name.startsWith("@pulumi/"));
    expect(Object.fromEntries(providers)).toEqual({
      "@pulumi/command": "1.2.1",
      "@pulumi/docker": "5.2.0",
      "@pulumi/pulumi": "3.270.0",
      "@pulumi/random": "4.21.2",
      "@pulumi/tls": "5.6.1",
      "@pulumi/vault": "7.8.0",
    });
  });
});
