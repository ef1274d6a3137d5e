import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { SERVICE_VOLUMES } from "../../components/topology.ts";
import { IMAGES } from "../../images.ts";
import { differences, tree } from "./differences.ts";
import { CONFIG, createFixture, HOST_KEY, OFFSITE, REPOSITORY, type Fixture } from "./fixture.ts";
import { CERTIFICATE, KEY_ID, VM_ID } from "../../review/placeholders.ts";
import { CONTAINER, label, nameOf, NETWORK, ofType, REMOTE, type Run } from "../../review/policy/rule.ts";

let fixture: Fixture;
let plain: Run;
beforeAll(async () => {
  fixture = await createFixture();
  plain = await fixture.run("repreview");
});
afterAll(() => fixture.remove());

const TREE = `0 Host host
  command:remote:Command host-setup
  command:local:Command preflight
  command:remote:Command vm-id
pulumi:providers:docker vm
1 CertificateAuthority certificate-authority
  tls:index/certRequest:CertRequest ca-intermediate-request
  tls:index/locallySignedCert:LocallySignedCert ca-intermediate
  tls:index/selfSignedCert:SelfSignedCert ca-root
1 Credentials credentials
  random:index/randomPassword:RandomPassword backup-database-password
  random:index/randomPassword:RandomPassword forgejo-admin-password
  random:index/randomPassword:RandomPassword forgejo-backup-password
  random:index/randomPassword:RandomPassword forgejo-database-password
  random:index/randomPassword:RandomPassword forgejo-internal-token
  random:index/randomPassword:RandomPassword forgejo-lfs-secret
  random:index/randomPassword:RandomPassword forgejo-oauth-secret
  random:index/randomPassword:RandomPassword postgres-superuser-password
  random:index/randomPassword:RandomPassword runner-secret
  random:index/randomPassword:RandomPassword s3-access-key
  random:index/randomPassword:RandomPassword s3-secret-key
1 Images images
  docker:index/remoteImage:RemoteImage caddy-image
  docker:index/remoteImage:RemoteImage forgejo-image
  docker:index/remoteImage:RemoteImage postgres-image
  docker:index/remoteImage:RemoteImage rustfs-image
  docker:index/remoteImage:RemoteImage vault-image
1 Networks networks
  docker:index/network:Network backup-public
  docker:index/network:Network caddy-forgejo
  docker:index/network:Network caddy-public
  docker:index/network:Network caddy-rustfs
  docker:index/network:Network caddy-vault
  docker:index/network:Network forgejo-backup
  docker:index/network:Network forgejo-public
  docker:index/network:Network postgres-backup
  docker:index/network:Network postgres-forgejo
  docker:index/network:Network runner-caddy
  docker:index/network:Network rustfs-backup
  docker:index/network:Network rustfs-forgejo
  docker:index/network:Network vault-backup
  docker:index/network:Network vault-loopback
1 Volumes volumes
  docker:index/volume:Volume caddy-data
  docker:index/volume:Volume forgejo-data
  docker:index/volume:Volume postgres-data
  docker:index/volume:Volume rustfs-data
  docker:index/volume:Volume vault-data
  docker:index/volume:Volume vault-logs
2 Postgres postgres
  command:remote:Command postgres-database-backup
  command:remote:Command postgres-database-forgejo
  command:remote:Command postgres-files
  command:remote:Command postgres-superuser
  docker:index/container:Container postgres
2 Rustfs rustfs
  command:remote:Command bucket-forgejo
  command:remote:Command rustfs-files
  docker:index/container:Container rustfs
2 Vault vault
  command:remote:Command vault-files
  docker:index/container:Container vault
4 VaultConfig vault-config
  vault:generic/endpoint:Endpoint approle-backup
  vault:generic/endpoint:Endpoint approle-ci
  vault:generic/endpoint:Endpoint approle-forgejo
  vault:generic/endpoint:Endpoint approle-operator
  vault:generic/endpoint:Endpoint approle-postgres
  vault:generic/endpoint:Endpoint approle-rustfs
  vault:generic/endpoint:Endpoint job-login
  vault:generic/endpoint:Endpoint job-role-ci
  vault:index/policy:Policy policy-backup
  vault:index/policy:Policy policy-ci
  vault:index/policy:Policy policy-forgejo
  vault:index/policy:Policy policy-operator
  vault:index/policy:Policy policy-postgres
  vault:index/policy:Policy policy-rustfs
  vault:kv/secretV2:SecretV2 forgejo-admin
  vault:kv/secretV2:SecretV2 forgejo-database
  vault:kv/secretV2:SecretV2 forgejo-security
  vault:kv/secretV2:SecretV2 postgres-superuser
  vault:kv/secretV2:SecretV2 rustfs-root
  pulumi:providers:vault vault
4 VaultReady vault-ready
  command:local:Command vault-ensure
5 Forgejo forgejo
  command:remote:Command forgejo-admin
  command:remote:Command forgejo-files
  docker:index/container:Container forgejo
6 Caddy caddy
  command:remote:Command caddy-files
  docker:index/container:Container caddy`;

describe("the graph", () => {
  it("is this", () => expect(tree(plain)).toBe(TREE));

  it("is the same in every run", async () => expect(await fixture.run("repreview")).toEqual(plain));

  it("is the same in an up, but for the tunnel's port of this test", async () => {
    expect(differences(plain, await fixture.run("up"))).toEqual(["vault vault: address"]);
  });

  it("is the same in a first preview, which does not know what follows from generated values", async () => {
    expect(differences(plain, await fixture.run("preview"))).toEqual([
      "Command bucket-forgejo: stdin",
      "Command caddy-files: stdin",
      "Command forgejo-admin: stdin",
      "Command forgejo-files: stdin",
      "Command postgres-database-backup: stdin",
      "Command postgres-database-forgejo: stdin",
      "Command postgres-files: stdin",
      "Command postgres-superuser: stdin",
      "Command rustfs-files: stdin",
      "Command vault-ensure: triggers",
      "Container caddy: labels",
      "Container forgejo: labels",
      "Container postgres: labels",
      "Container rustfs: labels",
      "LocallySignedCert ca-intermediate: caCertPem, certRequestPem",
      "SecretV2 forgejo-admin: dataJson",
      "SecretV2 forgejo-database: dataJson",
      "SecretV2 postgres-superuser: dataJson",
      "SecretV2 rustfs-root: dataJson",
    ]);
  });

  it("orders the containers by stages alone", () => {
    const dependencies = ofType(plain, CONTAINER).map((container) => [
      label(container),
      container.dependencies
        .map(nameOf)
        .filter((name) => !name.endsWith("-password"))
        .sort(),
    ]);
    expect(Object.fromEntries(dependencies)).toEqual({
      "Container caddy": ["ca-intermediate", "ca-root", "caddy-data", "caddy-files", "caddy-image"],
      "Container forgejo": [
        "forgejo-data",
        "forgejo-files",
        "forgejo-image",
        "forgejo-internal-token",
        "forgejo-lfs-secret",
        "forgejo-oauth-secret",
        "s3-access-key",
        "s3-secret-key",
      ],
      "Container postgres": ["postgres-data", "postgres-files", "postgres-image"],
      "Container rustfs": ["rustfs-data", "rustfs-files", "rustfs-image", "s3-access-key", "s3-secret-key"],
      "Container vault": ["vault-data", "vault-files", "vault-image", "vault-logs"],
    });
  });
});

/** Everywhere the program says which machine it is about. */
const EVERY_REMOTE_COMMAND = [
  "bucket-forgejo",
  "caddy-files",
  "forgejo-admin",
  "forgejo-files",
  "host-setup",
  "postgres-database-backup",
  "postgres-database-forgejo",
  "postgres-files",
  "postgres-superuser",
  "rustfs-files",
  "vault-files",
  "vm-id",
];
const OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfi3pGMzDaM6sD0lp1Vh0z5ynCzPT2RyjcbXIlWbGwK";
const host = (changes: Record<string, unknown>) => ({ host: { ...(CONFIG.host as object), ...changes } });
const forge = (changes: Record<string, unknown>) => ({ forge: { ...(CONFIG.forge as object), ...changes } });

describe("a change of the configuration changes what it is about and nothing else", () => {
  const changes: [string, Record<string, unknown>, string[]][] = [
    [
      "runner on",
      { runner: { enabled: true } },
      [
        "+ Command runner-actions",
        "+ Command runner-files",
        "+ Command runner-isolation",
        "+ Command runner-registration",
        "+ Container runner",
        "+ Images job-image",
        "+ Images runner-image",
        "+ RemoteImage job-image",
        "+ RemoteImage runner-image",
        "+ Runner runner",
        "Container caddy: networksAdvanced",
      ],
    ],
    [
      "runner on, jobs in its own container",
      { runner: { enabled: true, isolation: "container" } },
      [
        "+ Command runner-actions",
        "+ Command runner-files",
        "+ Command runner-registration",
        "+ Container runner",
        "+ Images runner-image",
        "+ RemoteImage runner-image",
        "+ Runner runner",
        "Container caddy: networksAdvanced",
      ],
    ],
    [
      "TLS by ACME",
      { tls: { mode: "acme", email: "ops@example.org" } },
      ["Command caddy-files: stdin", "Container caddy: labels"],
    ],
    [
      "TLS from files",
      { tls: { mode: "files", certificate: "/etc/ssl/site/cert.pem", key: "/etc/ssl/site/key.pem" } },
      ["Command caddy-files: stdin", "Container caddy: labels, mounts"],
    ],
    [
      "size m",
      { size: "m" },
      [
        "Command forgejo-files: stdin",
        "Command preflight: environment, triggers",
        "Container caddy: memory, memorySwap",
        "Container forgejo: envs, labels, memory, memorySwap",
        "Container postgres: command, memory, memorySwap, shmSize",
        "Container rustfs: memory, memorySwap",
        "Container vault: memory, memorySwap",
      ],
    ],
    [
      "one image",
      { images: { caddy: `127.0.0.1:5000/caddy:2@sha256:${"0".repeat(64)}` } },
      ["Container caddy: image", "RemoteImage caddy-image: name"],
    ],
    [
      "a mirror",
      { registryMirror: "mirror.example.org" },
      ["caddy", "forgejo", "postgres", "rustfs", "vault"]
        .flatMap((name) => [`Container ${name}: image`, `RemoteImage ${name}-image: name`])
        .sort(),
    ],
    [
      "the port of git over SSH",
      forge({ sshPort: 2200 }),
      [
        "Command caddy-files: stdin",
        "Command forgejo-files: stdin",
        "Command host-setup: create",
        "Command preflight: environment, triggers",
        "Container caddy: labels",
        "Container forgejo: labels, ports",
      ],
    ],
    [
      "the organisation",
      forge({ organisation: "infra" }),
      [
        "Command caddy-files: stdin",
        "Command forgejo-admin: create",
        "Container caddy: labels",
        "Endpoint job-role-ci: dataJson",
      ],
    ],
    [
      "one site's name",
      { sites: { s3: "objects.example.org" } },
      [
        "Command caddy-files: stdin",
        "Command forgejo-files: stdin",
        "Container caddy: labels, networksAdvanced",
        "Container forgejo: labels",
        "SecretV2 rustfs-root: dataJson",
      ],
    ],
    [
      "the networks' addresses",
      { subnet: "10.9.0.0/16" },
      [
        "Command forgejo-files: stdin",
        "Command vault-files: stdin",
        "Container forgejo: labels",
        "Container vault: labels",
        ...[
          "backup-public",
          "caddy-forgejo",
          "caddy-public",
          "caddy-rustfs",
          "caddy-vault",
          "forgejo-backup",
          "forgejo-public",
          "postgres-backup",
          "postgres-forgejo",
          "runner-caddy",
          "rustfs-backup",
          "rustfs-forgejo",
          "vault-backup",
          "vault-loopback",
        ].map((name) => `Network ${name}: ipamConfigs`),
      ],
    ],
    [
      "the VM's address",
      host({ address: "203.0.113.8" }),
      [
        ...EVERY_REMOTE_COMMAND.map((name) => `Command ${name}: connection`),
        "Command preflight: environment, triggers",
        "Command vault-ensure: create",
        "docker vm: host",
      ].sort(),
    ],
    [
      "the VM's host key",
      host({ hostKey: OTHER_KEY }),
      [
        ...EVERY_REMOTE_COMMAND.map((name) => `Command ${name}: connection`),
        "Command preflight: environment, triggers",
        "Command vault-ensure: create",
        "docker vm: sshOpts",
      ].sort(),
    ],
    [
      "the VM's user",
      host({ user: "debian" }),
      [
        ...EVERY_REMOTE_COMMAND.map((name) => `Command ${name}: connection, create`),
        "Command preflight: environment, triggers",
        "Command vault-ensure: create",
        "docker vm: host",
      ].sort(),
    ],
    ["the tunnel's port", { vaultTunnelPort: 18201 }, ["vault vault: address"]],
    [
      "the offsite",
      OFFSITE,
      [
        "+ Backup backup",
        "+ BackupImage backup-image",
        "+ CertRequest offsite-request",
        "+ Command backup-files",
        "+ Command backup-image",
        "+ Command offsite-server",
        "+ Command offsite-setup",
        "+ Command postgres-reader",
        "+ Command seed",
        "+ Command seed-files",
        "+ Container backup",
        "+ Images backup-images",
        "+ LocallySignedCert offsite-certificate",
        "+ Offsite offsite",
        "+ RemoteImage node-image",
        "+ RemoteImage restic-image",
        "+ SecretV2 offsite-restic",
        "+ SecretV2 offsite-server",
        "+ Seed seed",
        "+ Volume backup-data",
        "+ Volumes backup-volumes",
        "Command forgejo-admin: create, stdin, option dependencies, option propertyDependencies",
        "Container forgejo: networksAdvanced",
        "Container postgres: networksAdvanced",
        "Container rustfs: networksAdvanced",
        "Container vault: networksAdvanced",
        "Forgejo forgejo: option dependencies",
        "VaultReady vault-ready: option dependencies",
      ],
    ],
    [
      "a repository that somebody else keeps",
      REPOSITORY,
      [
        "+ Backup backup",
        "+ BackupImage backup-image",
        "+ Command backup-files",
        "+ Command backup-image",
        "+ Command postgres-reader",
        "+ Command seed",
        "+ Command seed-files",
        "+ Container backup",
        "+ Images backup-images",
        "+ RemoteImage node-image",
        "+ RemoteImage restic-image",
        "+ SecretV2 offsite-restic",
        "+ SecretV2 offsite-s3",
        "+ Seed seed",
        "+ Volume backup-data",
        "+ Volumes backup-volumes",
        "Command forgejo-admin: create, stdin, option dependencies, option propertyDependencies",
        "Container forgejo: networksAdvanced",
        "Container postgres: networksAdvanced",
        "Container rustfs: networksAdvanced",
        "Container vault: networksAdvanced",
        "Forgejo forgejo: option dependencies",
        "VaultReady vault-ready: option dependencies",
      ],
    ],
    ["the backup's interval", { backup: { every: "1h" } }, []],
  ];
  it.each(changes)("%s", async (_, change, expected) => {
    expect(differences(plain, await fixture.run("repreview", change))).toEqual(expected);
  });
});

describe("a new credential reaches those who use it and nobody else", () => {
  const forgejoFiles = ["Command forgejo-files: stdin", "Container forgejo: labels"];
  const s3 = [
    "Command bucket-forgejo: stdin",
    "Command forgejo-files: stdin",
    "Command rustfs-files: stdin",
    "Container forgejo: labels",
    "Container rustfs: labels",
    "SecretV2 rustfs-root: dataJson",
  ];
  const users: Record<string, string[]> = {
    "backup-database-password": ["Command postgres-database-backup: stdin"],
    "forgejo-admin-password": ["Command forgejo-admin: stdin", "SecretV2 forgejo-admin: dataJson"],
    "forgejo-backup-password": [],
    "forgejo-database-password": [
      "Command forgejo-files: stdin",
      "Command postgres-database-forgejo: stdin",
      "Container forgejo: labels",
      "SecretV2 forgejo-database: dataJson",
    ],
    "forgejo-internal-token": forgejoFiles,
    "forgejo-lfs-secret": forgejoFiles,
    "forgejo-oauth-secret": forgejoFiles,
    "postgres-superuser-password": [
      "Command postgres-files: stdin",
      "Command postgres-superuser: stdin",
      "Container postgres: labels",
      "SecretV2 postgres-superuser: dataJson",
    ],
    "runner-secret": [],
    "s3-access-key": s3,
    "s3-secret-key": s3,
  };
  it.each(Object.entries(users))("%s", async (name, expected) => {
    expect(differences(plain, await fixture.run("repreview", {}, { [name]: "n".repeat(40) }))).toEqual(expected);
  });

  it("nor does a preview say otherwise: what depends on a credential is what it changes", () => {
    for (const [name, expected] of Object.entries(users)) {
      const dependents = plain.resources
        .filter(({ propertyDependencies }) => Object.values(propertyDependencies).flat().map(nameOf).includes(name))
        .map((resource) => label(resource));
      expect([name, dependents.sort()]).toEqual([name, expected.map((line) => line.split(":")[0])]);
    }
  });
});

it("what is particular to each container is this", async () => {
  const { resources } = await fixture.run("repreview", { runner: { enabled: true } });
  const containers = resources.filter(({ type }) => type === CONTAINER).map(({ name, inputs }) => [name, own(inputs)]);
  await expect(stringify(Object.fromEntries(containers), { lineWidth: 0 })).toMatchFileSnapshot(
    "expected/containers.txt",
  );
});

/** Without what the rules say of every container, the image, and labels that depend on the key file. */
function own(inputs: Record<string, unknown>): Record<string, unknown> {
  const common =
    "name hostname image labels readOnly securityOpts logDriver logOpts mustRun wait restart memorySwap stopTimeout";
  return Object.fromEntries(Object.entries(inputs).filter(([key]) => !common.split(" ").includes(key)));
}

const lock = (name: string) => `flock --close /run/foundation-${name}.lock`;

it("command lines hold the user's sudo, arguments and nothing secret", async () => {
  const run = await fixture.run("repreview", { ...host({ user: "debian", port: 2022 }), runner: { enabled: true } });
  const lines = ofType(run, REMOTE).map(({ name, inputs }) => [name, inputs.create]);
  const script = "/usr/local/lib/foundation";
  expect(Object.fromEntries(lines)).toEqual({
    "bucket-forgejo": `sudo -n timeout 60 ${lock("s3-bucket")} ${script}/s3-bucket forgejo`,
    "caddy-files": `sudo -n timeout 60 ${lock("install-files")} ${script}/install-files caddy 1000:1000`,
    "forgejo-admin": `sudo -n timeout 120 ${lock("forgejo-admin")} ${script}/forgejo-admin operator ops@example.org platform`,
    "forgejo-files": `sudo -n timeout 60 ${lock("install-files")} ${script}/install-files forgejo 1000:1000`,
    "host-setup": `sudo -n timeout 900 ${lock("host")} bash -s -- debian 2222`,
    "postgres-database-backup": `sudo -n timeout 60 ${lock("postgres-database")} ${script}/postgres-database backup`,
    "postgres-database-forgejo": `sudo -n timeout 60 ${lock("postgres-database")} ${script}/postgres-database forgejo`,
    "postgres-files": `sudo -n timeout 60 ${lock("install-files")} ${script}/install-files postgres 999:999`,
    "postgres-superuser": `sudo -n timeout 60 ${lock("postgres-superuser")} ${script}/postgres-superuser`,
    "runner-actions": `sudo -n timeout 120 ${lock("forgejo-actions")} ${script}/forgejo-actions operator`,
    "runner-files": `sudo -n timeout 60 ${lock("install-files")} ${script}/install-files runner 10013:10013`,
    "runner-registration": `sudo -n timeout 60 ${lock("forgejo-runner")} ${script}/forgejo-runner`,
    "runner-isolation": `sudo -n timeout 900 ${lock("runner-rootless")} ${script}/runner-rootless 1024 100 1024 6144 ${IMAGES.job} localhost/foundation-job:be40f6a87b9b2221 172.30.13.254 example.org git.example.org vault.example.org s3.example.org`,
    "rustfs-files": `sudo -n timeout 60 ${lock("install-files")} ${script}/install-files rustfs 10001:10001`,
    "vault-files": `sudo -n timeout 60 ${lock("install-files")} ${script}/install-files vault 100:1000`,
    "vm-id": "sudo -n timeout 30 cat /etc/foundation/vm-id",
  });
  const ensure = run.resources.find(({ name }) => name === "vault-ensure");
  expect(String(ensure?.inputs.create).replace(/--keys '\S+'/, "--keys 'KEYS'")).toBe(
    `node unseal-helper/main.ts ensure --stack 'test' --keys 'KEYS' --host 'debian@203.0.113.7:2022' --host-key '${HOST_KEY}'` +
      " --job-login actions --remove-consumers --readers operator,forgejo,postgres,rustfs,ci,backup",
  );
});

describe("the offsite", () => {
  const common = (port: number) => `${fixture.derived.ownerId} ${String(port)} ${IMAGES.restServer} ${IMAGES.restic}`;
  const inputs = (run: Run, name: string) => run.resources.find((resource) => resource.name === name)?.inputs;
  /** The files that a command is handed on standard input, by name. */
  const delivered = (run: Run, command: string): Record<string, string> => {
    const lines = String(inputs(run, command)?.stdin).trim().split("\n");
    const entries = lines.map((line) => line.split(" "));
    return Object.fromEntries(entries.map(([file, text = ""]) => [file, Buffer.from(text, "base64").toString()]));
  };

  it("is set up by two commands with its own sudo and port, and a limit only where there is one", async () => {
    const lines = (run: Run) => ["offsite-setup", "offsite-server"].map((name) => inputs(run, name)?.create);
    const script = "/usr/local/lib/foundation/offsite";
    expect(lines(await fixture.run("repreview", OFFSITE))).toEqual([
      `timeout 900 ${lock("offsite-setup")} bash -s -- ${common(8000)}`,
      `timeout 300 ${lock("offsite")} ${script} serve ${common(8000)} 0 15`,
    ]);
    const other = { ...OFFSITE.offsite, user: "backup", port: 23, restPort: 8443, maxSize: "1G" };
    const run = await fixture.run("repreview", { offsite: other, backup: { every: "1h" } });
    expect(lines(run)).toEqual([
      `sudo -n timeout 900 ${lock("offsite-setup")} bash -s -- ${common(8443)}`,
      `sudo -n timeout 300 ${lock("offsite")} ${script} serve ${common(8443)} 1073741824 60`,
    ]);
    expect(inputs(run, "offsite-server")?.connection).toMatchObject({ host: "198.51.100.9", port: 23, user: "backup" });
  });

  it("is handed its certificate, the account's password for this VM, and the VM's id", async () => {
    const run = await fixture.run("repreview", OFFSITE);
    const { offsite, restic } = fixture.derived;
    expect(delivered(run, "offsite-server")).toEqual({
      "cert.pem": CERTIFICATE,
      "key.pem": offsite.serverKeyPem,
      password: `${offsite.password(VM_ID)}\n`,
      restic_password: `${restic.password}\n`,
      vm_id: VM_ID,
    });
  });

  it("is read once every network is there that the restore joins", async () => {
    const { resources } = await fixture.run("repreview", OFFSITE);
    const seed = resources.find((resource) => label(resource) === "Seed seed");
    const dependencies = seed?.dependencies.map(nameOf) ?? [];
    const joined = ["postgres-backup", "rustfs-backup", "backup-public"];
    expect(joined.filter((name) => !dependencies.includes(name))).toEqual([]);
  });

  it("says which key opens its repository, so that the job is not stopped by one that others put there", async () => {
    const run = await fixture.run("repreview", OFFSITE);
    for (const name of ["backup-files", "seed-files"]) {
      const { "plan.json": plan = "" } = delivered(run, name);
      expect((JSON.parse(plan) as { offsite: { keyHint?: string } }).offsite.keyHint).toBe(KEY_ID);
    }
  });

  it("is a repository elsewhere: the job gets its keys as files, the seed claims it, and everybody is warned", async () => {
    const run = await fixture.run("repreview", REPOSITORY);
    for (const name of ["backup-files", "seed-files"]) {
      const { offsite_password: password, "plan.json": plan = "", ...others } = delivered(run, name);
      expect(password).toBe("key-of-the-bucket");
      expect((JSON.parse(plan) as { offsite: unknown }).offsite).toEqual({
        url: "s3:https://s3.example.net/bucket",
        username: "AKIA123",
        region: "us-east-1",
      });
      expect(Object.keys(others)).not.toContain("offsite_ca.pem");
    }
    expect(inputs(run, "seed")?.triggers).toContain("s3:https://s3.example.net/bucket");
    const warning =
      "offsite is s3:https://s3.example.net/bucket: it is not append-only, whoever has the VM can delete the backups";
    expect([run.outputs.warnings, run.warnings]).toEqual([[warning], [`warning: [runtime] ${warning}`]]);
  });

  it.each([
    ["198.51.100.9", { ipAddresses: ["198.51.100.9"] }],
    ["nas.example.org", { dnsNames: ["nas.example.org"] }],
  ])("has a certificate for its address: %s", async (address, names) => {
    const run = await fixture.run("repreview", { offsite: { ...OFFSITE.offsite, address } });
    const { privateKeyPem: _, ...request } = inputs(run, "offsite-request") ?? {};
    expect(request).toEqual({
      subject: { commonName: "Foundation offsite", organization: "Foundation" },
      ...names,
    });
    const { allowedUses, isCaCertificate, validityPeriodHours } = inputs(run, "offsite-certificate") ?? {};
    expect([allowedUses, isCaCertificate, validityPeriodHours]).toEqual([
      ["digital_signature", "server_auth"],
      undefined,
      87_600,
    ]);
  });
});

describe("a drill from scratch", () => {
  const drill = { asVm: "fedcba9876543210".repeat(2), keyHint: "cd".repeat(32) };
  const files = (run: Run, name: string) => {
    const lines = String(run.resources.find((each) => each.name === name)?.inputs.stdin)
      .trim()
      .split("\n");
    const entries = lines.map((line) => line.split(" "));
    return Object.fromEntries(entries.map(([file, text = ""]) => [file, Buffer.from(text, "base64").toString()]));
  };

  it("leaves the second host alone, backs nothing up, and has no way out", async () => {
    const real = await fixture.run("repreview", OFFSITE);
    expect(differences(real, await fixture.run("repreview", { ...OFFSITE, drill }))).toEqual([
      "- Backup backup",
      "- CertRequest offsite-request",
      "- Command backup-files",
      "- Command offsite-server",
      "- Command offsite-setup",
      "- Command postgres-reader",
      "- Container backup",
      "- LocallySignedCert offsite-certificate",
      "- Offsite offsite",
      "Command seed-files: stdin, option dependencies, option propertyDependencies",
      "Network caddy-public: internal",
      "Network forgejo-public: internal",
      "Network runner-caddy: internal",
      "Seed seed: option dependencies",
    ]);
  });

  it("reads the backups with the credential of the VM that makes them", async () => {
    const run = await fixture.run("repreview", { ...OFFSITE, drill });
    const { offsite_password: password, "offsite_ca.pem": ca, "plan.json": plan = "" } = files(run, "seed-files");
    expect([password, ca]).toEqual([fixture.derived.offsite.password(drill.asVm), CERTIFICATE]);
    const { owner, username } = { owner: fixture.derived.ownerId, username: fixture.derived.offsite.username };
    expect(JSON.parse(plan)).toMatchObject({
      owner,
      vmId: VM_ID,
      readOnly: true,
      offsite: { url: `rest:https://198.51.100.9:8000/${username}/`, username, keyHint: drill.keyHint },
    });
  });

  it("does not take over a repository elsewhere", async () => {
    const real = await fixture.run("repreview", REPOSITORY);
    const run = await fixture.run("repreview", { ...REPOSITORY, drill: {} });
    expect(differences(real, run)).toEqual([
      "- Backup backup",
      "- Command backup-files",
      "- Command postgres-reader",
      "- Container backup",
      "Command seed-files: stdin",
      "Network caddy-public: internal",
      "Network forgejo-public: internal",
      "Network runner-caddy: internal",
    ]);
    const { offsite_password: password, "plan.json": plan = "" } = files(run, "seed-files");
    expect([password, (JSON.parse(plan) as { readOnly: unknown }).readOnly]).toEqual(["key-of-the-bucket", true]);
  });
});

it("the preflight is told everything that must be free or ours", () => {
  const preflight = plain.resources.find(({ name }) => name === "preflight");
  const { FOUNDATION_PREFLIGHT: request } = preflight?.inputs.environment as Record<string, string>;
  const { networks, ...others } = JSON.parse(request ?? "") as { networks: string[] };
  expect(networks.toSorted()).toEqual(
    ofType(plain, NETWORK)
      .map(({ name }) => name)
      .sort(),
  );
  expect(others).toEqual({
    target: { address: "203.0.113.7", user: "root", port: 22, hostKey: HOST_KEY },
    ownerId: fixture.derived.ownerId,
    ports: [80, 443, 2222],
    containers: ["postgres", "rustfs", "vault", "forgejo", "runner", "caddy", "backup"],
    volumes: [...SERVICE_VOLUMES, "backup-data"],
    minimumDiskGib: 10,
    minimumMemoryMib: 3500,
  });
});
