import { inspect } from "node:util";
import { expect, test } from "vitest";
import { dockerContainer, demultiplex } from "../../../../sandbox/engine/drivers/docker-container.ts";
import {
  checkContainer,
  containerSpec,
  parseDuration,
} from "../../../../sandbox/engine/drivers/docker-container-spec.ts";
import { DockerHosts, parseDockerHost, TunnelAgent } from "../../../../sandbox/engine/drivers/docker-hosts.ts";
import { splitReference } from "../../../../sandbox/engine/drivers/docker-image.ts";
import { dockerNetwork, networkSpec } from "../../../../sandbox/engine/drivers/docker-network.ts";
import { dockerVolume } from "../../../../sandbox/engine/drivers/docker-volume.ts";
import { SshPool } from "../../../../sandbox/engine/ssh-pool.ts";
import type { Properties } from "../../../../sandbox/engine/values.ts";

const hosts = new DockerHosts(new SshPool(undefined));
const context = { label: "container web", name: "web" };
const DIGEST = `sha256:${"a".repeat(64)}`;

test("a container's inputs in the words of the Docker API", () => {
  const inputs: Properties = {
    name: "web",
    image: `caddy:2@${DIGEST}`,
    hostname: "web",
    user: "1000:1000",
    entrypoints: ["caddy"],
    command: ["run"],
    envs: ["A=b"],
    labels: [{ label: "foundation.owner", value: "abc" }],
    stopSignal: "SIGINT",
    stopTimeout: 30,
    restart: "unless-stopped",
    memory: 128,
    memorySwap: -1,
    shmSize: 64,
    readOnly: true,
    init: true,
    capabilities: { drops: ["ALL"], adds: ["CAP_NET_BIND_SERVICE"] },
    securityOpts: ["no-new-privileges:true"],
    groupAdds: ["999"],
    logDriver: "json-file",
    logOpts: { "max-size": "10m" },
    mounts: [
      { type: "volume", source: "data", target: "/data", readOnly: false },
      { type: "tmpfs", target: "/cache", tmpfsOptions: { sizeBytes: 1024, mode: 511 } },
    ],
    tmpfs: { "/tmp": "size=1m" },
    ulimits: [{ name: "nofile", soft: 1, hard: 2 }],
    sysctls: { "net.core.somaxconn": "512" },
    hosts: [{ host: "git.test", ip: "10.0.0.1" }],
    networksAdvanced: [{ name: "front", aliases: ["www"], ipv4Address: "10.0.1.2" }, { name: "back" }],
    ports: [
      { internal: 443, external: 443, protocol: "tcp" },
      { internal: 443, external: 443, protocol: "tcp", ip: "::" },
      { internal: 443, external: 443, protocol: "udp", ip: "127.0.0.1" },
    ],
    healthcheck: {
      tests: ["CMD", "true"],
      interval: "1m30s",
      timeout: "500ms",
      startPeriod: "1h",
      startInterval: "1s",
      retries: 3,
    },
  };
  const { options, furtherNetworks } = containerSpec(inputs, "1.47", "container web");
  expect(JSON.parse(JSON.stringify(options))).toEqual({
    name: "web",
    Image: `caddy:2@${DIGEST}`,
    Hostname: "web",
    User: "1000:1000",
    Entrypoint: ["caddy"],
    Cmd: ["run"],
    Env: ["A=b"],
    Labels: { "foundation.owner": "abc" },
    StopSignal: "SIGINT",
    StopTimeout: 30,
    Healthcheck: {
      Test: ["CMD", "true"],
      Interval: 90_000_000_000,
      Timeout: 500_000_000,
      StartPeriod: 3_600_000_000_000,
      StartInterval: 1_000_000_000,
      Retries: 3,
    },
    ExposedPorts: { "443/tcp": {}, "443/udp": {} },
    HostConfig: {
      NetworkMode: "front",
      RestartPolicy: { Name: "unless-stopped" },
      Memory: 134_217_728,
      MemorySwap: -1,
      ShmSize: 67_108_864,
      ReadonlyRootfs: true,
      Init: true,
      CapAdd: ["CAP_NET_BIND_SERVICE"],
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      GroupAdd: ["999"],
      LogConfig: { Type: "json-file", Config: { "max-size": "10m" } },
      Mounts: [
        { Type: "volume", Source: "data", Target: "/data", ReadOnly: false },
        { Type: "tmpfs", Source: "", Target: "/cache", ReadOnly: false, TmpfsOptions: { SizeBytes: 1024, Mode: 511 } },
      ],
      Tmpfs: { "/tmp": "size=1m" },
      Ulimits: [{ Name: "nofile", Soft: 1, Hard: 2 }],
      Sysctls: { "net.core.somaxconn": "512" },
      ExtraHosts: ["git.test:10.0.0.1"],
      PortBindings: {
        "443/tcp": [
          { HostIp: "0.0.0.0", HostPort: "443" },
          { HostIp: "::", HostPort: "443" },
        ],
        "443/udp": [{ HostIp: "127.0.0.1", HostPort: "443" }],
      },
    },
    NetworkingConfig: { EndpointsConfig: { front: { Aliases: ["www"], IPAMConfig: { IPv4Address: "10.0.1.2" } } } },
  });
  expect(furtherNetworks).toEqual([{ name: "back", settings: {} }]);
});

test("a daemon that does not know startInterval does not get it", () => {
  const inputs = { name: "web", image: "x", healthcheck: { tests: ["CMD", "true"], startInterval: "1s" } };
  const startInterval = (version: string) => containerSpec(inputs, version, "x").options.Healthcheck?.StartInterval;
  expect(["1.41", "1.43", "1.44", "1.52", "2.0"].map(startInterval)).toEqual([undefined, undefined, 1e9, 1e9, 1e9]);
});

test.each<[Properties, string]>([
  [{ healthcheck: { tests: [], startDelay: "1s" } }, "x: healthcheck: the sandbox's engine does not know startDelay"],
  [
    { mounts: [{ type: "bind", target: "/x", bindOptions: {} }] },
    "x: mounts: the sandbox's engine does not know bindOptions",
  ],
  [{ capabilities: { add: [] } }, "x: capabilities: the sandbox's engine does not know add"],
  [{ healthcheck: { interval: "5 seconds" } }, "x: healthcheck.interval: not a duration: 5 seconds"],
  [{ wait: true }, "x: wait: there is no health check to wait for"],
])("%j is refused", (inputs, message) => {
  expect(() => {
    checkContainer({ name: "x", ...inputs }, "x");
  }).toThrow(message);
});

test("a name is needed: what is made up would be lost with the state", () => {
  for (const driver of [dockerContainer(hosts), dockerNetwork(hosts), dockerVolume(hosts)]) {
    expect(() => driver.check?.({ image: "x" }, context)).toThrow("container web: has no name");
  }
});

// From the real provider's schema: what forces a new container, what is updated, and what it only pretends to update.
test("a container's inputs are changed as by the real provider", () => {
  const { inputs, replaceOn, neverApplied } = dockerContainer(hosts);
  expect(neverApplied).toEqual(["tmpfs", "init", "healthcheck"]);
  expect(inputs.filter((input) => !replaceOn.includes(input) && !neverApplied?.includes(input))).toEqual([
    ...["memory", "memorySwap", "memoryReservation", "restart"],
    ...["mustRun", "wait", "waitTimeout", "destroyGraceSeconds"],
  ]);
});

test.each([
  ["postgres", "postgres", "latest"],
  ["postgres:18", "postgres", "18"],
  [`docker.io/library/postgres:18@${DIGEST}`, "docker.io/library/postgres", DIGEST],
  [`127.0.0.1:5000/foundation/caddy@${DIGEST}`, "127.0.0.1:5000/foundation/caddy", DIGEST],
  ["127.0.0.1:5000/caddy", "127.0.0.1:5000/caddy", "latest"],
])("%s is pulled as %s %s", (reference, fromImage, tag) => {
  expect(splitReference(reference)).toEqual({ fromImage, tag });
});

test.each([
  ["1m30s", 90e9],
  ["0s", 0],
  ["1.5h", 5400e9],
  ["100ms", 1e8],
])("the duration %s", (duration, nanoseconds) => {
  expect(parseDuration(duration, "x")).toBe(nanoseconds);
});

test("where a provider points to", () => {
  const sshOpts = JSON.stringify(["-o", "BatchMode=yes", "-o", "KnownHostsCommand=/bin/echo %H ssh-ed25519 AAAA"]);
  expect(parseDockerHost({ host: "ssh://admin@vm.test:2222", sshOpts }, "x")).toEqual({
    address: "vm.test",
    user: "admin",
    port: 2222,
    hostKey: "ssh-ed25519 AAAA",
  });
  expect(parseDockerHost({ host: "ssh://[2001:db8::1]", sshOpts }, "x")).toMatchObject({
    address: "2001:db8::1",
    user: "root",
    port: 22,
  });
  expect(parseDockerHost({ host: "unix:///run/docker.sock" }, "x")).toBe("/run/docker.sock");
  expect(() => parseDockerHost({ host: "tcp://vm.test:2375" }, "x")).toThrow(
    "x: host: not supported: tcp://vm.test:2375",
  );
  expect(() => parseDockerHost({ host: "ssh://vm.test" }, "x")).toThrow("x: sshOpts: no host key is pinned");
});

test("a network's inputs in the words of the Docker API", () => {
  const ipamConfigs = [{ subnet: "10.0.0.0/24", gateway: "10.0.0.1" }];
  expect(networkSpec({ name: "net", internal: true, ipamConfigs, options: { a: "b" } }, "x")).toEqual({
    Name: "net",
    Driver: "bridge",
    Internal: true,
    Attachable: false,
    Options: { a: "b" },
    Labels: {},
    IPAM: { Driver: "default", Config: [{ Subnet: "10.0.0.0/24", Gateway: "10.0.0.1" }] },
  });
  expect(() => networkSpec({ name: "net", ipamConfigs: [{ auxAddress: {} }] }, "x")).toThrow(
    "x: ipamConfigs: the sandbox's engine does not know auxAddress",
  );
});

test("a log of two streams is read as lines", () => {
  const frame = (stream: number, text: string) => {
    const header = Buffer.alloc(8);
    header.writeUInt8(stream, 0);
    header.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([header, Buffer.from(text)]);
  };
  const log = Buffer.concat([frame(1, "one\ntw"), frame(1, "o\n"), frame(2, "thrée\n"), Buffer.from([1, 0, 0])]);
  expect(demultiplex(log)).toEqual(["one", "two", "thrée"]);
});

test("a request that is rendered for a log does not render the SSH connection, which takes longer than the request", () => {
  const connection = { open: Array.from({ length: 1000 }, (_, index) => ({ index })) };
  const agent = new TunnelAgent(() => Promise.reject(new Error(String(connection.open.length))));
  expect(inspect({ path: "/version", agent }, { showHidden: true, depth: null })).toBe(
    "{ path: '/version', agent: TunnelAgent }",
  );
});
