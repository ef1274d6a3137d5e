import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { deriveSecrets } from "../../keys/derive.ts";
import { openKeyFile } from "../../keys/keyfile.ts";
import { engine, files, foundation, onVm } from "./rig.ts";

/** Every secret of the running foundation by name, as it would have to appear to be leaked. */
const secrets = new Map<string, string>();

beforeAll(async () => {
  const passphrase = readFileSync(files.passphrase, "utf8").trim();
  secrets.set("passphrase", passphrase);
  const masterKey = await openKeyFile({ path: files.keyFile, passphrase: Buffer.from(passphrase) });
  secrets.set("master key", masterKey.toString("hex")).set("master key, base64", masterKey.toString("base64"));
  const keys = deriveSecrets(masterKey);
  secrets.set("forgejo SECRET_KEY", keys.forgejo.secretKey).set("restic password", keys.restic.password);
  for (const role of ["pulumi", "operator", "forgejo", "ci"])
    secrets.set(`secret id of ${role}`, keys.vaultAppRole(role).secretId);
  for (const [name, pem] of Object.entries({
    "CA root": keys.ca.rootKeyPem,
    "CA intermediate": keys.ca.intermediateKeyPem,
    "SSH ed25519": keys.forgejo.sshHostKeys.ed25519.privateKeyPem,
    "SSH ecdsa": keys.forgejo.sshHostKeys.ecdsa.privateKeyPem,
  }))
    secrets.set(`${name} key`, pem.split("\n")[1] ?? "");
  const ini = await onVm("cat /etc/foundation/forgejo/app.ini");
  for (const key of ["PASSWD", "INTERNAL_TOKEN", "LFS_JWT_SECRET", "JWT_SECRET", "MINIO_SECRET_ACCESS_KEY"])
    secrets.set(`app.ini ${key}`, new RegExp(`^${key} = (.+)$`, "m").exec(ini)?.[1] ?? "");
  secrets.set("superuser password", (await onVm("cat /etc/foundation/postgres/superuser_password")).trim());
  const admin = await foundation(["creds", "--show", "forge-password", "--force"]);
  expect(admin.code, admin.stderr).toBe(0);
  secrets.set("admin password", admin.stdout.trim());
});

/** Names of the secrets that a text holds. */
function found(text: string): string[] {
  return [...secrets].filter(([, value]) => text.includes(value)).map(([name]) => name);
}

test("the scan knows every secret it looks for", () => {
  for (const [name, value] of secrets) expect(value.length, name).toBeGreaterThanOrEqual(16);
  expect(found(`x${secrets.get("superuser password") ?? ""}x`)).toEqual(["superuser password"]);
});

test.each([
  ["docker inspect of every container", "docker inspect $(docker ps -aq)"],
  [
    "docker inspect of every network and volume",
    "docker network inspect $(docker network ls -q); docker volume inspect $(docker volume ls -q)",
  ],
  ["every container's log", "for c in $(docker ps -aq); do docker logs $c 2>&1; done"],
  ["command lines of every process", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'"],
  [
    // The S3 stand-in knows no key files, so its wrapper has to hand the keys over in the environment; RustFS reads them itself.
    "environments of every process but the S3 stand-in",
    "for p in /proc/[0-9]*; do grep -qx versitygw $p/comm 2>/dev/null || tr '\\0' '\\n' <$p/environ; done 2>/dev/null; true",
  ],
  ["the VM's journal", "journalctl --no-pager 2>/dev/null || true"],
  [
    "shell history and temporary files",
    "cat /root/.bash_history 2>/dev/null; grep -rs . /tmp /var/tmp 2>/dev/null || true",
  ],
  [
    "what any login of the VM may read",
    "su -s /bin/sh nobody -c 'grep -rs . /etc/foundation /var/lib/foundation /usr/local/lib/foundation' || true",
  ],
  ["Vault's audit log", "cat /var/lib/docker/volumes/vault-logs/_data/*"],
])("no secret in %s", async (_where, command) => {
  expect(found(await onVm(command))).toEqual([]);
});

test("the key and share files, the configuration and the state hold none in clear", () => {
  const shares = `${files.keys}/sandbox.shares.json`;
  for (const file of [files.keyFile, shares, files.config, files.state])
    expect(found(readFileSync(file, "utf8")), file).toEqual([]);
});

test("previews, outputs and errors show none", async () => {
  for (const ended of [
    await engine(["preview"]),
    await engine(["outputs"]),
    await engine(["up", "--json"]),
    await foundation(["creds"]),
  ])
    expect(found(ended.stdout + ended.stderr)).toEqual([]);
});

test("files for services are readable by their container's user only", async () => {
  const listing = await onVm("find /etc/foundation -mindepth 2 -printf '%m %U %p\\n' | sort");
  expect(
    listing
      .trim()
      .split("\n")
      // The seed's container runs as root, because restored files have owners.
      .filter((line) => !/^400 (100|999|1000|10001) /.test(line) && !/^400 0 \/etc\/foundation\/seed\//.test(line)),
  ).toEqual([]);
});
