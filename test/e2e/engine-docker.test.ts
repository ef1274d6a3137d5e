import * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openDrivers } from "../../sandbox/engine/drivers/driver-set.ts";
import type { DriverSet } from "../../sandbox/engine/driver.ts";
import { destroy, preview, up, type Digest, type EngineOptions } from "../../sandbox/engine/engine.ts";
import { SshServer } from "../sandbox/engine/ssh-server.ts";

// The engine's Docker drivers against the Docker daemon of this machine, over its socket and over SSH.

const SOCKET = "unix:///var/run/docker.sock";
const NAME = "engine-e2e";
const directory = mkdtempSync(join(tmpdir(), "engine-e2e-"));
const stateFile = join(directory, "state.json");
const labels = [{ label: "foundation.owner", value: "00c0ffee" }];
let registry: Registry;
let ssh: SshServer;
let drivers: DriverSet;

beforeAll(async () => {
  registry = await Registry.start(busyboxLayer());
  ssh = await SshServer.start();
  drivers = openDrivers({
    projectDirectory: directory,
    environment: { ...process.env, SSH_AUTH_SOCK: ssh.agentSocket },
  });
});
afterAll(() => {
  cleanUp();
  drivers.close();
  ssh.stop();
  registry.stop();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => {
  cleanUp();
  rmSync(stateFile, { force: true });
});

interface Variation {
  readonly host?: string;
  readonly sshOpts?: string[];
  readonly image?: string;
  readonly container?: Partial<docker.ContainerArgs>;
  readonly options?: pulumi.CustomResourceOptions;
}

function program({ host = SOCKET, sshOpts, image = registry.reference, container, options }: Variation = {}) {
  return () => {
    const provider = new docker.Provider("vm", { host, ...(sshOpts ? { sshOpts } : {}) });
    const network = new docker.Network(
      "net",
      { name: NAME, internal: true, ipamConfigs: [{ subnet: "10.213.77.0/24", gateway: "10.213.77.1" }], labels },
      { provider, protect: true },
    );
    const volume = new docker.Volume(
      "data",
      { name: NAME, labels },
      { provider, protect: true, retainOnDelete: true, ignoreChanges: ["labels", "driver"] },
    );
    const pulled = new docker.RemoteImage("image", { name: image, keepLocally: true }, { provider });
    const service = new docker.Container(
      "service",
      {
        name: NAME,
        image,
        user: "1000:1000",
        readOnly: true,
        restart: "unless-stopped",
        memory: 64,
        memorySwap: 64,
        init: true,
        capabilities: { drops: ["ALL"], adds: ["CAP_NET_BIND_SERVICE"] },
        securityOpts: ["no-new-privileges:true"],
        envs: ["GREETING=hello", "LATER=1"],
        command: ["sh", "-c", 'trap "exit 0" TERM; touch /tmp/ready; while :; do sleep 0.1; done'],
        tmpfs: { "/tmp": "mode=1777,size=1m" },
        mounts: [{ type: "volume", source: volume.name, target: "/data", readOnly: false }],
        networksAdvanced: [{ name: network.name, aliases: ["greeter"], ipv4Address: "10.213.77.9" }],
        ulimits: [{ name: "nofile", soft: 512, hard: 1024 }],
        sysctls: { "net.ipv4.ip_unprivileged_port_start": "80" },
        logDriver: "json-file",
        logOpts: { "max-size": "1m" },
        labels,
        healthcheck: {
          tests: ["CMD", "test", "-e", "/tmp/ready"],
          interval: "1s",
          timeout: "1s",
          startInterval: "1s",
          startPeriod: "5s",
        },
        wait: true,
        waitTimeout: 20,
        destroyGraceSeconds: 5,
        ...container,
      },
      { provider, dependsOn: pulled, replaceOnChanges: ["*"], deleteBeforeReplace: true, ...options },
    );
    return { id: service.id, address: service.networkDatas.apply(([network]) => network?.ipAddress) };
  };
}

const run = (action: (options: EngineOptions & { unprotect?: boolean }) => Promise<Digest>, variation?: Variation) =>
  action({
    program: program(variation),
    stack: "sandbox",
    config: {},
    stateFile,
    passphrase: Buffer.from("e2e"),
    drivers,
    unprotect: true,
  });

const failures = (digest: Digest) => digest.failures.map(({ message }) => message);
const containerId = () => docker_("inspect", "-f", "{{.Id}}", NAME);

describe("a service", () => {
  test("comes up as described, and a second run changes nothing", async () => {
    const digest = await run(up);
    expect(failures(digest)).toEqual([]);
    expect(digest.changes.create).toBe(5);
    expect(digest.outputs).toEqual({ id: containerId(), address: "10.213.77.9" });
    const { Config: config, HostConfig: host, NetworkSettings: networks } = inspect();
    expect(config).toMatchObject({
      User: "1000:1000",
      Image: registry.reference,
      Labels: { "foundation.owner": "00c0ffee" },
    });
    expect(config.Env).toEqual(expect.arrayContaining(["GREETING=hello", "LATER=1"]));
    expect(host).toMatchObject({
      ReadonlyRootfs: true,
      Memory: 64 * 1024 * 1024,
      MemorySwap: 64 * 1024 * 1024,
      Init: true,
      CapDrop: ["ALL"],
      CapAdd: ["CAP_NET_BIND_SERVICE"],
      SecurityOpt: ["no-new-privileges:true"],
      RestartPolicy: { Name: "unless-stopped" },
      LogConfig: { Type: "json-file", Config: { "max-size": "1m" } },
      Tmpfs: { "/tmp": "mode=1777,size=1m" },
      Ulimits: [{ Name: "nofile", Soft: 512, Hard: 1024 }],
      Sysctls: { "net.ipv4.ip_unprivileged_port_start": "80" },
    });
    expect(networks.Networks[NAME].Aliases).toContain("greeter");
    expect(docker_("network", "inspect", "-f", "{{.Internal}} {{(index .IPAM.Config 0).Subnet}}", NAME)).toBe(
      "true 10.213.77.0/24",
    );
    expect((await run(up)).changes).toEqual({ create: 0, update: 0, replace: 0, delete: 0, same: 5 });
  });

  test("is replaced by a change, stopped in time, and keeps its volume", async () => {
    await run(up);
    const before = containerId();
    docker_("run", "--rm", "-v", `${NAME}:/data`, registry.reference, "sh", "-c", "echo kept > /data/file");
    const digest = await run(up, { container: { envs: ["GREETING=bye"] } });
    expect(digest.changes).toMatchObject({ replace: 1, same: 4 });
    expect(containerId()).not.toBe(before);
    expect(docker_("run", "--rm", "-v", `${NAME}:/data`, registry.reference, "cat", "/data/file")).toBe("kept");
  });

  test("gets a new limit in place where the program allows it", async () => {
    const options = { replaceOnChanges: [] };
    await run(up, { options });
    const before = containerId();
    const digest = await run(up, { options, container: { memory: 96, memorySwap: 96, restart: "always" } });
    expect(digest.changes).toMatchObject({ update: 1, same: 4 });
    expect([containerId(), inspect().HostConfig.Memory, inspect().HostConfig.RestartPolicy.Name]).toEqual([
      before,
      96 * 1024 * 1024,
      "always",
    ]);
  });

  test("follows its network when that is replaced", async () => {
    await run(up);
    const renamed = await run(up, { container: {} });
    expect(renamed.changes.same).toBe(5);
    const other = () => {
      const provider = new docker.Provider("vm", { host: SOCKET });
      const network = new docker.Network("net", { name: NAME, internal: false, labels }, { provider });
      new docker.Volume("data", { name: NAME, labels }, { provider, protect: true, retainOnDelete: true });
      new docker.RemoteImage("image", { name: registry.reference, keepLocally: true }, { provider });
      const command = ["sh", "-c", "while :; do sleep 0.1; done"];
      new docker.Container(
        "service",
        {
          name: NAME,
          image: registry.reference,
          command,
          networksAdvanced: [{ name: network.name }],
          labels,
          destroyGraceSeconds: 1,
        },
        { provider, replaceOnChanges: ["*"], deleteBeforeReplace: true },
      );
    };
    const digest = await up({
      program: other,
      stack: "sandbox",
      config: {},
      stateFile,
      passphrase: Buffer.from("e2e"),
      drivers,
    });
    expect(failures(digest)).toEqual([]);
    expect(digest.changes).toMatchObject({ replace: 2 });
    expect(docker_("network", "inspect", "-f", "{{.Internal}}", NAME)).toBe("false");
  });

  test("that never gets healthy fails with the reason, and is replaced by the next run", async () => {
    const command = ["sh", "-c", "echo no database >&2; while :; do sleep 1; done"];
    const digest = await run(up, { container: { command, waitTimeout: 3 } });
    expect(failures(digest)).toEqual([
      "docker:index/container:Container service: not healthy after 3 s (starting)\n  log: no database",
    ]);
    const before = containerId();
    expect((await run(up)).changes).toMatchObject({ replace: 1, same: 4 });
    expect(containerId()).not.toBe(before);
  });

  test("that ends at once says so", async () => {
    const container = { command: ["sh", "-c", "echo out of order; exit 3"], restart: "no" };
    expect(failures(await run(up, { container }))).toEqual([
      "docker:index/container:Container service: exited with 3\n  log: out of order",
    ]);
  });
});

describe("without its state", () => {
  test("a run takes over volume and network and makes the container anew", async () => {
    await run(up);
    const [container, network] = [containerId(), docker_("network", "inspect", "-f", "{{.Id}}", NAME)];
    docker_("run", "--rm", "-v", `${NAME}:/data`, registry.reference, "sh", "-c", "echo kept > /data/file");
    rmSync(stateFile);
    const digest = await run(up);
    expect(failures(digest)).toEqual([]);
    expect(digest.changes.create).toBe(5);
    expect(docker_("network", "inspect", "-f", "{{.Id}}", NAME)).toBe(network);
    expect(containerId()).not.toBe(container);
    expect(docker_("run", "--rm", "-v", `${NAME}:/data`, registry.reference, "cat", "/data/file")).toBe("kept");
  });

  test.each([
    ["container", ["create", "--name", NAME, "IMAGE", "sh"], "docker:index/container:Container service"],
    ["volume", ["volume", "create", NAME], "docker:index/volume:Volume data"],
    [
      "network",
      ["network", "create", "--label", "foundation.owner=somebody", NAME],
      "docker:index/network:Network net",
    ],
  ])("what is not ours is refused: a %s", async (kind, command, label) => {
    const image = await registry.pull();
    docker_(...command.map((word) => (word === "IMAGE" ? image : word)));
    const digest = await run(up);
    const owner = kind === "network" ? "somebody" : "none";
    expect(digest.failures[0]).toMatchObject({
      message: `${label}: there is a ${kind} named ${NAME} that is not ours (label foundation.owner: ${owner})`,
      exitCode: 8,
    });
    expect(docker_(kind, "inspect", "-f", "{{.Name}}", NAME)).toContain(NAME);
  });
});

test("over SSH it is the same service: moving to it only updates the provider", async () => {
  const { address, port, user, hostKey } = ssh.target;
  const host = `ssh://${user}@${address}:${port}`;
  const sshOpts = ["-o", `KnownHostsCommand=/bin/echo %H ${hostKey}`];
  const first = await run(up, { host, sshOpts });
  expect(failures(first)).toEqual([]);
  expect(first.changes.create).toBe(5);
  // one login for all of it
  expect(ssh.logins).toBe(1);
  expect((await run(up)).changes).toMatchObject({ update: 1, same: 4 });
  expect((await run(up, { host, sshOpts, container: { envs: [] } })).changes).toMatchObject({
    update: 1,
    replace: 1,
    same: 3,
  });
  const wrong = ["-o", `KnownHostsCommand=/bin/echo %H ${ssh.publicKey("user")}`];
  const refused = await run(up, { host, sshOpts: wrong, container: { envs: ["A=b"] } });
  expect(refused.failures[0]).toMatchObject({
    message: expect.stringContaining("shows the host key SHA256:"),
    exitCode: 7,
  });
});

test("an image digest that does not exist is named, with the registry's answer", async () => {
  const image = registry.reference.replace(/[0-9a-f]{64}$/, "0".repeat(64));
  const digest = await run(up, { image });
  expect(failures(digest)).toEqual([
    expect.stringMatching(
      `^docker:index/remoteImage:RemoteImage image: image ${image}: cannot be pulled: .*manifest unknown`,
    ),
  ]);
});

test("a port that is taken is the VM's fault", async () => {
  const { port } = registry;
  const container = { ports: [{ internal: 80, external: port, ip: "127.0.0.1" }], networksAdvanced: [] };
  const digest = await run(up, { container });
  expect(digest.failures[0]).toMatchObject({
    message: expect.stringMatching(
      /^docker:index\/container:Container service: cannot be started: .*address already in use/,
    ),
    exitCode: 9,
  });
});

test("a preview contacts nothing, not even to say that nobody is there", async () => {
  const digest = await run(preview, {
    host: "ssh://root@192.0.2.1:22",
    sshOpts: ["-o", "KnownHostsCommand=/bin/echo %H ssh-ed25519 AAAA"],
  });
  expect(digest).toMatchObject({ result: "succeeded", changes: { create: 5 } });
  expect(digest.durationSeconds).toBeLessThan(5);
});

test("destroy leaves the volume", async () => {
  await run(up);
  const digest = await run(destroy);
  expect(failures(digest)).toEqual([]);
  expect(docker_("ps", "-aq", "--filter", `name=${NAME}`)).toBe("");
  expect(docker_("network", "ls", "-q", "--filter", `name=${NAME}`)).toBe("");
  expect(docker_("volume", "ls", "-q", "--filter", `name=${NAME}`)).toBe(NAME);
});

function docker_(...args: string[]): string {
  return execFileSync("docker", args, { stdio: ["ignore", "pipe", "pipe"] })
    .toString()
    .trim();
}

function inspect() {
  return JSON.parse(docker_("container", "inspect", NAME))[0];
}

function cleanUp(): void {
  for (const args of [
    ["rm", "-f", NAME],
    ["network", "rm", NAME],
    ["volume", "rm", NAME],
  ]) {
    try {
      docker_(...args);
    } catch {
      // it was not there
    }
  }
}

/** A root file system with a static busybox under all its names, from the Debian package. */
function busyboxLayer(): Buffer {
  const packages = join(directory, "package");
  const root = join(directory, "root");
  mkdirSync(packages);
  execFileSync("apt-get", ["download", "-q", "busybox-static"], { cwd: packages, stdio: "ignore" });
  execFileSync("dpkg-deb", ["-x", join(packages, readdirSync(packages)[0] ?? ""), root]);
  for (const name of ["sh", "cat", "sleep", "test", "touch", "echo"]) symlinkSync("busybox", join(root, "bin", name));
  // a tmpfs takes over the mode of the directory below it
  for (const name of ["tmp", "data"]) {
    mkdirSync(join(root, name));
    chmodSync(join(root, name), 0o1777);
  }
  return execFileSync("tar", ["-C", root, "-c", "bin", "tmp", "data"], { maxBuffer: 64 * 1024 * 1024 });
}

/** As much of an image registry as a pull by digest needs. */
class Registry {
  readonly #server: Server;
  readonly #digest: string;
  readonly port: number;

  private constructor(server: Server, digest: string) {
    this.#server = server;
    this.#digest = digest;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(layer: Buffer): Promise<Registry> {
    const compressed = gzipSync(layer);
    const config = Buffer.from(
      JSON.stringify({
        architecture: "amd64",
        os: "linux",
        config: { Env: ["PATH=/bin"] },
        rootfs: { type: "layers", diff_ids: [sha256(layer)] },
      }),
    );
    const media = "application/vnd.docker";
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: `${media}.distribution.manifest.v2+json`,
        config: { mediaType: `${media}.container.image.v1+json`, size: config.length, digest: sha256(config) },
        layers: [
          { mediaType: `${media}.image.rootfs.diff.tar.gzip`, size: compressed.length, digest: sha256(compressed) },
        ],
      }),
    );
    const blobs = new Map([config, compressed, manifest].map((blob) => [sha256(blob), blob]));
    const server = createServer((request, response) => {
      const digest = request.url?.split("/").at(-1) ?? "";
      const blob = blobs.get(digest);
      if (request.url === "/v2/") response.end();
      else if (!blob) {
        response.writeHead(404, { "content-type": "application/json" });
        response.end(JSON.stringify({ errors: [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }] }));
      } else {
        const type = blob === manifest ? `${media}.distribution.manifest.v2+json` : "application/octet-stream";
        response.writeHead(200, {
          "content-type": type,
          "content-length": blob.length,
          "docker-content-digest": digest,
        });
        response.end(request.method === "HEAD" ? undefined : blob);
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Registry(server, sha256(manifest));
  }

  get reference(): string {
    return `127.0.0.1:${this.port}/foundation/busybox:1.36@${this.#digest}`;
  }

  /** Not synchronously: the registry is in this process. */
  async pull(): Promise<string> {
    await promisify(execFile)("docker", ["pull", "-q", this.reference]);
    return this.reference;
  }

  stop(): void {
    execFileSync("docker", ["image", "rm", "-f", this.reference], { stdio: "ignore" });
    this.#server.close();
  }
}

function sha256(data: Buffer): string {
  return `sha256:${createHash("sha256").update(data).digest("hex")}`;
}
