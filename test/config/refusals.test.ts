import { describe, expect, it } from "vitest";
import { parseConfig } from "../../config.ts";
import { EXIT, UserError } from "../../errors.ts";
import { forge, host, HOST_KEY, offsite, repository, VALID } from "./valid.ts";

const KEYSCAN = '"$(ssh-keyscan -t ed25519 ADDRESS | cut -d" " -f2-)"';

/** What is wrong (after `config foundation:`) and the command that mends it (after `pulumi config `). */
type Refusal = readonly [changes: Record<string, unknown>, message: string, hint: string];

function refusalOf(raw: Record<string, unknown>): UserError {
  try {
    parseConfig(raw);
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(raw)}`);
}

/** The valid configuration with some keys replaced; undefined removes one. */
function changed(changes: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries({ ...VALID, ...changes }).filter(([, value]) => value !== undefined));
}

function refuses(refusals: readonly Refusal[]): void {
  it.each(refusals)("%j", (changes, message, hint) => {
    const error = refusalOf(changed(changes));
    expect(error.message).toBe(`config foundation:${message}`);
    expect(error.hint).toBe(`pulumi config ${hint}`);
    expect(error.exitCode).toBe(EXIT.config);
  });
}

describe("missing", () =>
  refuses([
    [{ domain: undefined }, "domain: missing", "set foundation:domain example.org"],
    [{ host: undefined }, "host: missing", "set --path foundation:host.address 203.0.113.7"],
    [host({ address: undefined }), "host.address: missing", "set --path foundation:host.address 203.0.113.7"],
    [host({ hostKey: undefined }), "host.hostKey: missing", `set --path foundation:host.hostKey ${KEYSCAN}`],
    [{ tls: undefined }, "tls: missing", "set --path foundation:tls.mode internal"],
    [{ tls: {} }, "tls.mode: missing", "set --path foundation:tls.mode internal"],
    [{ tls: { mode: "acme" } }, "tls.email: missing", "set --path foundation:tls.email ops@example.org"],
    [
      { tls: { mode: "files", certificate: "/etc/tls/cert.pem" } },
      "tls.key: missing",
      "set --path foundation:tls.key /etc/ssl/foundation/privkey.pem",
    ],
    [{ offsite: undefined }, "offsite: missing", "set foundation:offsite none"],
    [offsite({ hostKey: undefined }), "offsite.hostKey: missing", `set --path foundation:offsite.hostKey ${KEYSCAN}`],
    [{ forge: undefined }, "forge: missing", "set --path foundation:forge.admin operator"],
    [forge({ admin: undefined }), "forge.admin: missing", "set --path foundation:forge.admin operator"],
    [
      forge({ adminEmail: undefined }),
      "forge.adminEmail: missing",
      "set --path foundation:forge.adminEmail ops@example.org",
    ],
    [
      forge({ organisation: undefined }),
      "forge.organisation: missing",
      "set --path foundation:forge.organisation platform",
    ],
  ]));

describe("unknown keys", () =>
  refuses([
    [{ domian: "example.org" }, "domian: unknown key", "rm foundation:domian"],
    [host({ password: "secret" }), "host.password: unknown key", "rm --path foundation:host.password"],
    [{ tls: { mode: "internal", email: "a@b.c" } }, "tls.email: unknown key", "rm --path foundation:tls.email"],
    [offsite({ path: "/srv" }), "offsite.path: unknown key", "rm --path foundation:offsite.path"],
    [forge({ ssh: 2222 }), "forge.ssh: unknown key", "rm --path foundation:forge.ssh"],
    [{ sites: { s4: "s4.example.org" } }, "sites.s4: unknown key", "rm --path foundation:sites.s4"],
    [{ backup: { interval: "5m" } }, "backup.interval: unknown key", "rm --path foundation:backup.interval"],
    [{ images: { nginx: "nginx" } }, "images.nginx: unknown key", "rm --path foundation:images.nginx"],
    [{ runner: { on: true } }, "runner.on: unknown key", "rm --path foundation:runner.on"],
  ]));

describe("a repository elsewhere", () => {
  const where = "s3:https://s3.example.net/bucket/foundation";
  const set = `set --path foundation:offsite.repository ${where}`;
  const shape = "offsite.repository: is not s3:https://HOST/BUCKET or s3:https://HOST/BUCKET/PATH";
  const own = "offsite.repository: is on the VM itself, a backup there is lost with it";
  refuses([
    [
      repository({ repository: "sftp:backup@nas.example.org:/srv/foundation" }),
      "offsite.repository: is an SFTP repository, and the backup job has no SSH client (docs/decisions.md, 20): " +
        "sftp:backup@nas.example.org:/srv/foundation",
      set,
    ],
    ...["s3:bucket", "s3:https://s3.example.net", "https://s3.example.net/b", "s3:https://u:p@h.net/b", ""].map(
      (text): Refusal => [repository({ repository: text }), `${shape}: ${text}`, set],
    ),
    [repository({ repository: "s3:https://203.0.113.7/b" }), `${own}: 203.0.113.7`, set],
    [repository({ repository: "s3:https://s3.example.org/b" }), `${own}: s3.example.org`, set],
    [repository({ repository: "s3:http://127.0.0.1:9000/b" }), `${own}: 127.0.0.1`, set],
    [
      repository({ accessKeyId: undefined }),
      "offsite.accessKeyId: missing",
      "set --path foundation:offsite.accessKeyId KEY_ID",
    ],
    [
      repository({ secretAccessKey: undefined }),
      "offsite.secretAccessKey: missing",
      "set --path --secret foundation:offsite.secretAccessKey",
    ],
    [
      // without the value
      repository({ secretAccessKey: "a b" }),
      "offsite.secretAccessKey: is not a secret access key",
      "set --path --secret foundation:offsite.secretAccessKey",
    ],
    [repository({ address: "nas" }), "offsite.address: unknown key", "rm --path foundation:offsite.address"],
    [
      repository({ region: "US East" }),
      "offsite.region: is not a region: US East",
      "set --path foundation:offsite.region us-east-1",
    ],
  ]);
});

describe("wrong types", () =>
  refuses([
    [{ domain: 5 }, "domain: is not a host name: 5", "set foundation:domain example.org"],
    [{ host: "203.0.113.7" }, "host: is not an object: 203.0.113.7", "set --path foundation:host.address 203.0.113.7"],
    [{ host: [] }, "host: is not an object: []", "set --path foundation:host.address 203.0.113.7"],
    [
      { tls: "internal" },
      "tls: is not one of: internal, acme, files: internal",
      "set --path foundation:tls.mode internal",
    ],
    [{ offsite: 3 }, "offsite: is neither a second host nor none: 3", "set foundation:offsite none"],
    [{ offsite: null }, "offsite: is neither a second host nor none: null", "set foundation:offsite none"],
    [{ sites: null }, "sites: is not an object: null", "set --path foundation:sites.git git.example.org"],
    [{ backup: "15m" }, "backup: is not an object: 15m", "set --path foundation:backup.every 15m"],
    [{ runner: true }, "runner: is not an object: true", "set --path foundation:runner.enabled false"],
    [
      { images: "caddy:2" },
      "images: is not an object: caddy:2",
      "set --path foundation:images.caddy repo:tag@sha256:DIGEST",
    ],
    [
      { images: { caddy: 2 } },
      "images.caddy: is not an image reference: 2",
      "set --path foundation:images.caddy repo:tag@sha256:DIGEST",
    ],
    [
      { registryMirror: 5000 },
      "registryMirror: is not a registry address: 5000",
      "set foundation:registryMirror registry.example.org:5000",
    ],
  ]));

describe("wrong values", () =>
  refuses([
    ...["foo_bar", "localhost", "Example.org", "example.org.", "-a.org", "203.0.113.7"].map((domain): Refusal => [
      { domain },
      `domain: is not a host name (lower case, at least two labels): ${domain}`,
      "set foundation:domain example.org",
    ]),
    ...["256.1.1.1", "a b", "vm;reboot", "-oProxyCommand", ""].map((address): Refusal => [
      host({ address }),
      `host.address: is not a host name or an IPv4 address: ${address}`,
      "set --path foundation:host.address 203.0.113.7",
    ]),
    [host({ user: "Root!" }), "host.user: is not a user name: Root!", "set --path foundation:host.user root"],
    ...[0, 65536, -1, 22.5, "ssh", "22 ", ""].map((port): Refusal => [
      host({ port }),
      `host.port: is not a port number: ${String(port)}`,
      "set --path foundation:host.port 22",
    ]),
    ...[`${HOST_KEY} root@vm`, "ssh-dss AAAA", "AAAA", `${HOST_KEY}'`].map((hostKey): Refusal => [
      host({ hostKey }),
      `host.hostKey: is not a public host key (type and base64, without a comment): ${hostKey}`,
      `set --path foundation:host.hostKey ${KEYSCAN}`,
    ]),
    [
      { tls: { mode: "letsencrypt" } },
      "tls.mode: is not one of: internal, acme, files: letsencrypt",
      "set --path foundation:tls.mode internal",
    ],
    [
      { tls: { mode: "acme", email: "ops" } },
      "tls.email: is not an e-mail address: ops",
      "set --path foundation:tls.email ops@example.org",
    ],
    [
      { tls: { mode: "acme", email: "ops@example.org", directory: "http://ca.example.org" } },
      "tls.directory: is not an https URL: http://ca.example.org",
      "set --path foundation:tls.directory https://acme-v02.api.letsencrypt.org/directory",
    ],
    [
      { tls: { mode: "files", certificate: "cert.pem", key: "/etc/tls/key.pem" } },
      "tls.certificate: is not the absolute path of a file in a directory on the VM: cert.pem",
      "set --path foundation:tls.certificate /etc/ssl/foundation/fullchain.pem",
    ],
    // Its directory is mounted into the web server's container.
    ...["/cert.pem", "/etc/tls/", "/etc/../cert.pem", "/etc/tls/cert$.pem"].map((certificate): Refusal => [
      { tls: { mode: "files", certificate, key: "/etc/tls/key.pem" } },
      `tls.certificate: is not the absolute path of a file in a directory on the VM: ${certificate}`,
      "set --path foundation:tls.certificate /etc/ssl/foundation/fullchain.pem",
    ]),
    [{ offsite: "no" }, "offsite: is neither a second host nor none: no", "set foundation:offsite none"],
    [offsite({ port: "x" }), "offsite.port: is not a port number: x", "set --path foundation:offsite.port 22"],
    [
      offsite({ restPort: 0 }),
      "offsite.restPort: is not a port number: 0",
      "set --path foundation:offsite.restPort 8000",
    ],
    ...["500", "0G", "1.5T", "500GB", "-1G"].map((maxSize): Refusal => [
      offsite({ maxSize }),
      `offsite.maxSize: is not a size such as 500G or 2T: ${maxSize}`,
      "set --path foundation:offsite.maxSize 500G",
    ]),
    ...["latest", "0123abc", "2026-01-31", "2026-01-31T12:00:00", "a".repeat(65)].map((seed): Refusal => [
      { seed },
      `seed: is not auto, fresh, a snapshot id (8 to 64 hex digits) or a time (2026-01-31T12:00:00Z): ${seed}`,
      "set foundation:seed auto",
    ]),
    [
      { seed: "2026-13-31T12:00:00Z" },
      "seed: is not a time of any day: 2026-13-31T12:00:00Z",
      "set foundation:seed auto",
    ],
    [
      forge({ admin: "admin" }),
      "forge.admin: is a name that the forge reserves: admin",
      "set --path foundation:forge.admin operator",
    ],
    [
      forge({ organisation: "api" }),
      "forge.organisation: is a name that the forge reserves: api",
      "set --path foundation:forge.organisation platform",
    ],
    ...["Operator", "a--b", "-a", "a b", "a".repeat(40)].map((admin): Refusal => [
      forge({ admin }),
      `forge.admin: is not a forge name (lower-case letters, digits, single - _ . between them, at most 39): ${admin}`,
      "set --path foundation:forge.admin operator",
    ]),
    ...["ops", "a b@example.org", "a'b@example.org", "a\\b@example.org", "$(id)@example.org"].map(
      (adminEmail): Refusal => [
        forge({ adminEmail }),
        `forge.adminEmail: is not an e-mail address: ${adminEmail}`,
        "set --path foundation:forge.adminEmail ops@example.org",
      ],
    ),
    [forge({ sshPort: "ssh" }), "forge.sshPort: is not a port number: ssh", "set --path foundation:forge.sshPort 2222"],
    ...["egg.git", "egg.wiki"].map((repository): Refusal => [
      forge({ repository }),
      `forge.repository: is a name that the forge reserves: ${repository}`,
      "set --path foundation:forge.repository foundation",
    ]),
    [
      forge({ deployKey: `${HOST_KEY} flux` }),
      `forge.deployKey: is not a public SSH key (type and base64, without a comment): ${HOST_KEY} flux`,
      `set --path foundation:forge.deployKey "$(cut -d" " -f1,2 ~/.ssh/deploy.pub)"`,
    ],
    [{ size: "xl" }, "size: is not one of: s, m, l: xl", "set foundation:size s"],
    ...["15", "m", "15 m", "1d"].map((every): Refusal => [
      { backup: { every } },
      `backup.every: is not an interval such as 15m or 1h: ${every}`,
      "set --path foundation:backup.every 15m",
    ]),
    ...["caddy:2", "caddy@sha256:abc", `caddy@sha256:${"0".repeat(64)}`, `Caddy:2@sha256:${"0".repeat(64)}`].map(
      (caddy): Refusal => [
        { images: { caddy } },
        `images.caddy: is not a pinned image reference (repo:tag@sha256:…): ${caddy}`,
        "set --path foundation:images.caddy repo:tag@sha256:DIGEST",
      ],
    ),
    [
      { registryMirror: "https://mirror.example.org" },
      "registryMirror: is not a registry address (host:port/path, no scheme): https://mirror.example.org",
      "set foundation:registryMirror registry.example.org:5000",
    ],
    ...["yes", "TRUE ", 1].map((enabled): Refusal => [
      { runner: { enabled } },
      `runner.enabled: is not true or false: ${String(enabled)}`,
      "set --path foundation:runner.enabled false",
    ]),
    [
      { runner: { enabled: true, isolation: "docker" } },
      "runner.isolation: is not one of: rootless, container: docker",
      "set --path foundation:runner.isolation rootless",
    ],
    ...["8.8.0.0/16", "172.32.0.0/16", "172.30.0.0/24", "172.30.1.0/16", "10.256.0.0/16"].map((subnet): Refusal => [
      { subnet },
      `subnet: is not a private IPv4 /16: ${subnet}`,
      "set foundation:subnet 172.30.0.0/16",
    ]),
    ...["a'b", "", "$HOME"].map((keyDirectory): Refusal => [
      { keyDirectory },
      `keyDirectory: is not a path (letters, digits and @%+=:,./ - only): ${keyDirectory}`,
      "set foundation:keyDirectory keys/stacks",
    ]),
    [
      { vaultTunnelPort: "vault" },
      "vaultTunnelPort: is not a port number: vault",
      "set foundation:vaultTunnelPort 18200",
    ],
    [
      { sites: { git: "git" } },
      "sites.git: is not a host name (lower case, at least two labels): git",
      "set --path foundation:sites.git git.example.org",
    ],
  ]));

describe("contradictions", () =>
  refuses([
    [forge({ sshPort: 22 }), "forge.sshPort: is the VM's own SSH port: 22", "set --path foundation:forge.sshPort 2222"],
    [
      { ...host({ port: 2222 }), ...forge({ sshPort: "2222" }) },
      "forge.sshPort: is the VM's own SSH port: 2222",
      "set --path foundation:forge.sshPort 2222",
    ],
    [
      forge({ sshPort: 443 }),
      "forge.sshPort: is a port of the web server: 443",
      "set --path foundation:forge.sshPort 2222",
    ],
    [
      forge({ sshPort: 8200 }),
      "forge.sshPort: is the port of Vault on the VM's loopback: 8200",
      "set --path foundation:forge.sshPort 2222",
    ],
    [
      { subnet: "172.17.0.0/16" },
      "subnet: is Docker's own network: 172.17.0.0/16",
      "set foundation:subnet 172.30.0.0/16",
    ],
    [host({ address: "172.30.4.5" }), "subnet: has 172.30.4.5 in it", "set foundation:subnet 10.213.0.0/16"],
    [offsite({ address: "172.30.4.5" }), "subnet: has 172.30.4.5 in it", "set foundation:subnet 10.213.0.0/16"],
    [
      forge({ organisation: "operator" }),
      "forge.organisation: has the name of the admin user: operator",
      "set --path foundation:forge.organisation platform",
    ],
    [
      offsite({ address: "203.0.113.7" }),
      "offsite.address: is the VM itself, a backup there is lost with it: 203.0.113.7",
      "set --path foundation:offsite.address 198.51.100.9",
    ],
    [
      offsite({ hostKey: HOST_KEY }),
      "offsite.hostKey: is the VM's own host key, so both names are one machine",
      `set --path foundation:offsite.hostKey ${KEYSCAN}`,
    ],
    [
      offsite({ restPort: 22 }),
      "offsite.restPort: is the offsite's own SSH port: 22",
      "set --path foundation:offsite.restPort 8000",
    ],
    ...["foundation.test", "nas.local", "home.arpa.home.arpa", "vm.internal"].map((domain): Refusal => [
      { domain, tls: { mode: "acme", email: "ops@example.org" } },
      `tls.mode: acme cannot certify a name that is not public: ${domain}`,
      "set --path foundation:tls.mode internal",
    ]),
    [
      { tls: { mode: "files", certificate: "/etc/tls/cert.pem", key: "/root/key.pem" } },
      "tls.key: is not in the certificate's directory /etc/tls: /root/key.pem",
      "set --path foundation:tls.key /etc/ssl/foundation/privkey.pem",
    ],
    [
      { sites: { git: "example.org" } },
      "sites.git: is also the name of home: example.org",
      "rm --path foundation:sites.git",
    ],
    [
      { sites: { git: "vault.example.org" } },
      "sites.git: is also the name of vault: vault.example.org",
      "rm --path foundation:sites.git",
    ],
    [
      { tls: { mode: "acme", email: "ops@example.org" }, sites: { vault: "vault.internal" } },
      "tls.mode: acme cannot certify a name that is not public: vault.internal",
      "set --path foundation:tls.mode internal",
    ],
    ...["4m", "25h"].map((every): Refusal => [
      { backup: { every } },
      `backup.every: is not between 5m and 24h: ${every}`,
      "set --path foundation:backup.every 15m",
    ]),
  ]));

describe("a drill's marker", () => {
  const drill = { asVm: "0123456789abcdef".repeat(2) };
  refuses([
    [{ drill: true }, "drill: is not an object: true", "rm foundation:drill"],
    [{ drill: { vm: 1 } }, "drill.vm: unknown key", "rm --path foundation:drill.vm"],
    [{ drill: { asVm: "x" } }, "drill.asVm: is not the id of a VM (32 hex digits): x", "rm foundation:drill"],
    [{ drill: { keyHint: 1 } }, "drill.keyHint: is not the id of a key: 1", "rm foundation:drill"],
    [{ drill }, "drill: there is no backup to begin with: offsite is none", "rm foundation:drill"],
    [
      { ...offsite({}), drill: {} },
      "drill: the offsite gives its backups to a VM only, and asVm names none",
      "rm foundation:drill",
    ],
    [
      { ...offsite({}), drill, tls: { mode: "acme", email: "ops@example.org" } },
      "drill: must not ask for certificates: tls.mode is acme",
      "rm foundation:drill",
    ],
    [
      { ...offsite({}), drill, runner: { enabled: true } },
      "drill: must not run the jobs of the real one: runner.enabled is true",
      "rm foundation:drill",
    ],
    [{ ...offsite({}), drill, seed: "fresh" }, "drill: begins with a backup: seed is fresh", "rm foundation:drill"],
  ]);
});

describe("several problems", () => {
  it("are told at once, each with its command", () => {
    const error = refusalOf(changed({ domain: "x", host: undefined, size: "xl", foo: 1 }));
    expect(error.message).toBe(`config foundation:domain: is not a host name (lower case, at least two labels): x
config foundation:host: missing
config foundation:size: is not one of: s, m, l: xl
config foundation:foo: unknown key`);
    expect(error.hint).toBe(`pulumi config set foundation:domain example.org
pulumi config set --path foundation:host.address 203.0.113.7
pulumi config set foundation:size s
pulumi config rm foundation:foo`);
  });

  it("an empty configuration is told what it must have", () => {
    const error = refusalOf({});
    expect(error.message.split("\n")).toEqual(
      ["domain", "host", "tls", "offsite", "forge"].map((key) => `config foundation:${key}: missing`),
    );
  });

  it("in an offsite that is half there are told for the host it was going to be", () => {
    const error = refusalOf(changed({ offsite: { adress: "198.51.100.9" } }));
    expect(error.message).toBe(`config foundation:offsite.address: missing
config foundation:offsite.hostKey: missing
config foundation:offsite.adress: unknown key`);
  });

  it("with one remedy name it once", () => {
    const error = refusalOf(changed({ ...forge({ sshPort: 443 }), ...host({ port: 443 }) }));
    expect(error.message).toBe(`config foundation:forge.sshPort: is the VM's own SSH port: 443
config foundation:forge.sshPort: is a port of the web server: 443`);
    expect(error.hint).toBe("pulumi config set --path foundation:forge.sshPort 2222");
  });
});
