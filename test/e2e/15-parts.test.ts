import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { baseImage } from "../../sandbox/base-image.ts";
import { PARTS_BASE } from "../../sandbox/debian.ts";
import { prepareMachines } from "../../sandbox/images.ts";
import { ensurePart } from "../../sandbox/parts/image-build.ts";
import { PARTS } from "../../sandbox/parts/part.ts";
import { createTestRig, until } from "./rig.ts";

// Every part under the hardening that the program uses: no capability, read-only root, no new privileges, its own user.
const HARDENED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp:mode=1777"];
const NETWORK = "foundation-parts-test";
const PREFIX = "parts-test-";

const images = new Map<string, string>();
const scratch = mkdtempSync(join(tmpdir(), "parts-"));

const docker = (...args: string[]): string =>
  execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
const inside = (part: string, ...command: string[]): string => docker("exec", PREFIX + part, ...command);
const works = (part: string, ...command: string[]) =>
  until(
    `${part}: ${command.join(" ")}`,
    60,
    () =>
      new Promise((resolve) => {
        inside(part, ...command);
        resolve(true);
      }),
  );

/** Starts a part with fresh anonymous volumes. @param options of `docker run`; @param command after the image */
function start(part: string, options: readonly string[], command: readonly string[] = []): void {
  const name = ["--detach", "--name", PREFIX + part, "--network", NETWORK];
  docker("run", ...name, ...HARDENED, ...options, images.get(part) ?? "", ...command);
}

/** A directory with one readable file, as a mount. */
function mounted(target: string, file: string, content: string): string[] {
  const directory = join(scratch, file);
  mkdirSync(directory);
  writeFileSync(join(directory, file), content, { mode: 0o644 });
  return ["--volume", `${directory}:${target}:ro`];
}

function removeAll(): void {
  const found = docker("ps", "--all", "--quiet", "--filter", `name=^${PREFIX}`).split("\n").filter(Boolean);
  if (found.length > 0) docker("rm", "--force", "--volumes", ...found);
}

beforeAll(async () => {
  const rig = createTestRig();
  const { registry } = await prepareMachines(rig);
  const sources = { registry, base: baseImage(rig, PARTS_BASE) };
  const built = await Promise.all(PARTS.map((part) => ensurePart(rig, sources, part)));
  for (const { part, reference } of built) images.set(part.name, reference.replace("127.0.0.1:5000", registry.address));
  removeAll();
  if (!docker("network", "ls", "--format", "{{.Name}}").split("\n").includes(NETWORK))
    docker("network", "create", NETWORK);
});

afterAll(() => {
  removeAll();
  docker("network", "rm", NETWORK);
});

test("postgres: password from a file, loopback trusted, the network not", async () => {
  start(
    "postgres",
    [
      ...["--user=999:999", "--shm-size=128m", "--tmpfs=/run/postgresql:uid=999,gid=999,mode=3775"],
      ...mounted("/run/secrets", "password", "right"),
      ...mounted("/docker-entrypoint-initdb.d", "init.sql", "CREATE TABLE made_at_start ();"),
      ...["--env=POSTGRES_PASSWORD_FILE=/run/secrets/password", "--env=POSTGRES_DB=forge"],
    ],
    ["postgres", "-c", "max_connections=17"],
  );
  await works("postgres", "pg_isready", "-h", "127.0.0.1", "-U", "postgres", "-d", "forge");
  const query = "SELECT current_setting('max_connections') || to_regclass('made_at_start')";
  expect(inside("postgres", "psql", "-h", "127.0.0.1", "-U", "postgres", "-d", "forge", "-Atc", query)).toBe(
    "17made_at_start",
  );
  const login = (password: string) =>
    docker(
      ...[
        "run",
        "--rm",
        "--network",
        NETWORK,
        "--env",
        `PGPASSWORD=${password}`,
        "--entrypoint=",
        images.get("postgres") ?? "",
      ],
      ...["psql", "-h", `${PREFIX}postgres`, "-U", "postgres", "-d", "forge", "-Atc", "SELECT 1"],
    );
  expect(login("right")).toBe("1");
  expect(() => login("wrong")).toThrow("password authentication failed");
  expect(inside("postgres", "id", "-u")).toBe("999");
});

test("vault: its own user, busybox's wget and no curl, raft in the image's volume", async () => {
  const config = `disable_mlock = true
api_addr = "http://127.0.0.1:8200"
cluster_addr = "http://127.0.0.1:8201"
storage "raft" {
  path = "/vault/file"
}
listener "tcp" {
  address = "0.0.0.0:8200"
  tls_disable = true
}
`;
  const options = ["--cap-add=IPC_LOCK", "--entrypoint=vault", ...mounted("/vault/config", "vault.hcl", config)];
  start("vault", options, ["server", "-config=/vault/config"]);
  const health = "http://127.0.0.1:8200/v1/sys/health?sealedcode=200&uninitcode=200&standbyok=true";
  await works("vault", "wget", "-q", "-O", "/dev/null", health);
  expect(inside("vault", "id")).toMatch(/^uid=100\(vault\) gid=1000\(vault\)/);
  expect(inside("vault", "sh", "-c", "command -v curl || echo none")).toBe("none");
});

test("versitygw: RustFS's settings, credentials from files, ready on RustFS's path", async () => {
  start("versitygw", [
    ...["--env=RUSTFS_ADDRESS=:9000", "--env=RUSTFS_VOLUMES=/data"],
    ...mounted("/run/access", "access", "AKIATEST"),
    ...mounted("/run/secret", "secret", "secret-of-the-test"),
    ...["--env=RUSTFS_ACCESS_KEY_FILE=/run/access/access", "--env=RUSTFS_SECRET_KEY_FILE=/run/secret/secret"],
  ]);
  await works("versitygw", "curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:9000/health/ready");
  const create = (secret: string) =>
    inside(
      "versitygw",
      ...["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--aws-sigv4", "aws:amz:us-east-1:s3"],
      ...["--user", `AKIATEST:${secret}`, "-X", "PUT", "http://127.0.0.1:9000/bucket"],
    );
  expect(create("wrong")).toBe("403");
  expect(create("secret-of-the-test")).toBe("200");
  expect(inside("versitygw", "id", "-u")).toBe("10001");
});

test("caddy: serves port 80 as a plain user, and does not start without its capability", async () => {
  const site = ":80 {\n  respond /healthz 200\n}\n";
  const options = ["--user=1000:1000", "--tmpfs=/config:uid=1000", ...mounted("/etc/caddy", "Caddyfile", site)];
  start("caddy", [...options, "--cap-add=NET_BIND_SERVICE"]);
  await works("caddy", "curl", "-fsS", "http://127.0.0.1:80/healthz");
  const without = ["run", "--rm", ...HARDENED, "--user=1000:1000", images.get("caddy") ?? "", "caddy", "version"];
  expect(() => docker(...without)).toThrow(/operation not permitted/i);
});

test("gitea: the rootless image's user, paths and commands, on a read-only app.ini", async () => {
  const ini = `RUN_USER = git
WORK_PATH = /var/lib/gitea
[security]
INSTALL_LOCK = true
SECRET_KEY = test
INTERNAL_TOKEN = test
[oauth2]
JWT_SECRET = ${"A".repeat(43)}
[server]
APP_DATA_PATH = /var/lib/gitea
LFS_JWT_SECRET = ${"A".repeat(43)}
HTTP_PORT = 3000
START_SSH_SERVER = true
SSH_LISTEN_PORT = 2222
[database]
DB_TYPE = postgres
HOST = ${PREFIX}postgres:5432
NAME = forge
USER = postgres
PASSWD = right
[log]
MODE = console
`;
  start("gitea", [...mounted("/etc/foundation", "app.ini", ini), "--env=GITEA_APP_INI=/etc/foundation/app.ini"]);
  await works("gitea", "curl", "-fsS", "http://127.0.0.1:3000/api/healthz");
  const user = ["--username", "operator", "--email", "operator@foundation.test", "--random-password", "--admin"];
  expect(inside("gitea", "forgejo", "admin", "user", "create", ...user)).toContain("successfully created");
  expect(inside("gitea", "gitea", "admin", "user", "list")).toContain("operator");
  expect(inside("gitea", "curl", "-fsS", "http://127.0.0.1:3000/")).toContain("<html");
  expect(inside("gitea", "id")).toMatch(/^uid=1000\(git\) gid=1000\(git\)/);
});

test("gitea-runner: the official runner's path, user and tools", () => {
  start("gitea-runner", [], ["sleep", "300"]);
  expect(inside("gitea-runner", "/bin/forgejo-runner", "--version")).toContain("version v");
  expect(inside("gitea-runner", "sh", "-c", "touch /data/file && id -u && command -v git bash pgrep")).toMatch(
    /^1000\n/,
  );
});

test("node: the program that runs the rig, for a plain user", () => {
  const command = ["node", "-p", "`${process.version} ${process.getuid()}`"];
  const options = ["run", "--rm", "--network=none", "--user=1000:1000", ...HARDENED];
  expect(docker(...options, images.get("node") ?? "", ...command)).toBe(`${process.version} 1000`);
});

test("rest-server: append-only with its own users; restic stores and reads there", async () => {
  const users = mounted("/secrets", "htpasswd", "vm:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
  const options = ["--user=1000:1000", "--tmpfs=/data:uid=1000", ...users];
  start("rest-server", options, [
    ...["rest-server", "--path", "/data", "--htpasswd-file", "/secrets/htpasswd", "--append-only", "--private-repos"],
  ]);
  await works("rest-server", "nc", "-z", "127.0.0.1", "8000");
  start(
    "restic",
    [
      ...["--hostname=random", "--tmpfs=/cache", "--env=RESTIC_CACHE_DIR=/cache", "--env=RESTIC_PASSWORD=test"],
      ...[`--env=RESTIC_REPOSITORY=rest:http://vm:secret@${PREFIX}rest-server:8000/vm/`, "--entrypoint=sleep"],
    ],
    ["300"],
  );
  const restic = (...args: string[]) => inside("restic", "/entrypoint.sh", ...args);
  restic("init");
  restic("backup", "--host", "foundation", "/etc/hostname");
  expect(restic("snapshots")).toContain("1 snapshots");
  expect(() => restic("forget", "latest")).toThrow("403 Forbidden");
  expect(restic("snapshots")).toContain("1 snapshots");
});
