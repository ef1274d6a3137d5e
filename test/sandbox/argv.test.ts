import { expect, test } from "vitest";
import { VM_BASE, debootstrapArgv, PARTS_BASE } from "../../sandbox/debian.ts";
import { debianMirror } from "../../sandbox/base-image.ts";
import { engineArgv, pulumiArgv, stackEnvironment, upArgv } from "../../sandbox/deployment.ts";
import { buildArgv } from "../../sandbox/docker.ts";
import { addressOf } from "../../sandbox/network.ts";
import { findPaths } from "../../sandbox/paths.ts";
import { parsePin } from "../../sandbox/pulled-images.ts";
import { runRegistryArgv } from "../../sandbox/registry.ts";
import { foundationArgv } from "../../sandbox/verification.ts";

const paths = findPaths({ HOME: "/h", FOUNDATION_SANDBOX_DIR: "/s" }, "/src");

test("the base of the parts is a stripped forky that tolerates an expired release file", () => {
  expect(debootstrapArgv(PARTS_BASE, "http://mirror", "/c/forky.tar")).toEqual([
    "mmdebstrap",
    "--mode=root",
    "--variant=apt",
    "--include=busybox,ca-certificates,curl,dumb-init,libcap2-bin,passwd",
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=Acquire::Check-Valid-Until "false"',
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-include=/usr/share/locale/locale.alias",
    '--customize-hook=ln -s busybox "$1/usr/bin/wget"',
    "forky",
    "/c/forky.tar",
    "http://mirror",
  ]);
});

test("a VM starts without Docker: that is the program's to install", () => {
  expect(VM_BASE.packages.filter((name) => /docker|containerd/.test(name))).toEqual([]);
});

test("the mirror can be chosen", () => {
  expect(debianMirror({})).toBe("http://deb.debian.org/debian");
  expect(debianMirror({ FOUNDATION_DEBIAN_MIRROR: "http://near/debian" })).toBe("http://near/debian");
});

test("images are built on a given base, over the machine's own network", () => {
  expect(buildArgv("image:1", "/context", "base:1").join(" ")).toBe(
    "docker build --network=host --force-rm --build-arg BASE=base:1 --tag image:1 /context",
  );
});

test("the registry is on loopback for this machine and at a fixed address for the VMs", () => {
  expect(runRegistryArgv("registry:1", "/cache/registry", "10.87.53").join(" ")).toBe(
    "docker run --detach --name foundation-sandbox-registry --label foundation.sandbox --restart=unless-stopped" +
      " --network foundation-sandbox --ip 10.87.53.2 --publish 127.0.0.1::5000" +
      " --volume /cache/registry:/var/lib/registry registry:1",
  );
});

test("VMs have fixed addresses, also those of other names", () => {
  expect(["prod", "offsite", "dr", "spare"].map((name) => addressOf(name, "10.87.53"))).toEqual([
    "10.87.53.10",
    "10.87.53.11",
    "10.87.53.12",
    "10.87.53.36",
  ]);
});

test("the embedded engine and the real CLI get the same configuration", () => {
  expect(engineArgv("node24", paths, "up").join(" ")).toBe(
    "node24 /src/sandbox/engine/main.ts up --state /s/state.json --config-file /s/Pulumi.sandbox.yaml",
  );
  expect(pulumiArgv("/bin/pulumi", paths, ["up", "--yes"]).join(" ")).toBe(
    "/bin/pulumi -C /src up --yes --stack sandbox --non-interactive --color never",
  );
});

test("programs find the sandbox's passphrase, never one from outside", () => {
  expect(stackEnvironment({ paths, environment: { PATH: "/bin", PULUMI_CONFIG_PASSPHRASE: "of production" } })).toEqual(
    {
      PATH: "/src/node_modules/.bin:/bin",
      PULUMI_CONFIG_PASSPHRASE: undefined,
      PULUMI_CONFIG_PASSPHRASE_FILE: "/s/passphrase",
      PULUMI_BACKEND_URL: "file:///s/pulumi",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      SSH_AUTH_SOCK: "/s/agent.sock",
    },
  );
});

test("foundation commands are run for the sandbox's stack", () => {
  expect(foundationArgv("node24", paths, "verify", ["git", "--json"]).join(" ")).toBe(
    "node24 /src/cli/main.ts verify --stack sandbox --config-file /s/Pulumi.sandbox.yaml git --json",
  );
});

test("pins are taken apart", () => {
  expect(parsePin("docker.io/library/caddy:2.11.7-alpine@sha256:d854")).toEqual({
    host: "docker.io",
    repository: "library/caddy",
    tag: "2.11.7-alpine",
  });
});

test("the embedded engine deploys from its own state, and the real Pulumi where nobody can answer", () => {
  const common = "node /src/cli/main.ts up --stack sandbox --config-file /s/Pulumi.sandbox.yaml --yes --no-remote";
  expect(upArgv("node", paths, "embedded").join(" ")).toBe(`${common} --embedded-state /s/state.json`);
  expect(upArgv("node", paths, "pulumi").join(" ")).toBe(
    `${common} -- --skip-preview --suppress-outputs --suppress-progress --non-interactive --color never`,
  );
});
