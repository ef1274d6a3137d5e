import { expect, test } from "vitest";
import { crateBuildArgv } from "../../../sandbox/parts/crate-build.ts";
import { goBuildArgv } from "../../../sandbox/parts/go-build.ts";
import { containerArgv, isNewEnough } from "../../../sandbox/parts/go-toolchain.ts";

test("go build: reproducible, without symbols, tags only where there are some", () => {
  const output = { path: "bin/vault", package: "github.com/hashicorp/vault", tags: "minimal" };
  expect(goBuildArgv(output, "/out").join("|")).toBe(
    "go|build|-mod=mod|-trimpath|-buildvcs=false|-gcflags=all=-dwarf=false|-ldflags|-s -w|-tags|minimal|-o|/out/bin/vault|github.com/hashicorp/vault",
  );
  expect(goBuildArgv({ path: "bin/x", package: "example.org/x" }, "/out")).not.toContain("-tags");
});

test.each([
  ["go version go1.26.8 linux/amd64", true],
  ["go version go1.27rc1 linux/amd64", true],
  ["go version go2.0 linux/amd64", true],
  ["go version go1.19.8 linux/amd64", false],
  ["", false],
])("%s is new enough: %s", (output, expected) => {
  expect(isNewEnough(output)).toBe(expected);
});

test("a compiler in a container sees its work, the caches and the machine's certificates", () => {
  const container = { image: "go", cache: "/cache/go", work: "/w", directory: "/w/module", passed: ["GOPROXY"] };
  const argv = containerArgv({ ...container, certificates: "/etc/ca.crt" }, ["go", "version"]);
  expect(argv.join(" ")).toBe(
    "docker run --rm --init --network=host --workdir /w/module --volume /w:/w --volume /cache/go:/go" +
      " --volume /etc/ca.crt:/etc/ca.crt:ro --env GOPATH=/go --env GOCACHE=/go/build --env CGO_ENABLED=0 --env GOGC=200" +
      " --env GOPROXY go go version",
  );
});

test("RustFS is compiled in a container that goes on by itself", () => {
  expect(crateBuildArgv("rust", "/cache/rust", "rustfs", "1.0.1").join(" ")).toBe(
    "docker run --detach --init --name foundation-sandbox-rustfs --network=host --volume /cache/rust:/work" +
      " --volume /etc/ssl/certs/ca-certificates.crt:/etc/ssl/certs/ca-certificates.crt:ro" +
      " --env CARGO_PROFILE_RELEASE_LTO=off --env CARGO_PROFILE_RELEASE_OPT_LEVEL=1" +
      " --env CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 rust" +
      " cargo install rustfs --version 1.0.1 --locked --no-default-features --root /work/out",
  );
});
