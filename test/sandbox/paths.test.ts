import { expect, test } from "vitest";
import { sandboxFiles } from "../../sandbox/files.ts";
import { findPaths } from "../../sandbox/paths.ts";

test("follows the XDG convention by default", () => {
  expect(findPaths({ HOME: "/home/op" }, "/src")).toEqual({
    project: "/src",
    cache: "/home/op/.cache/foundation",
    sandbox: "/home/op/.local/state/foundation/sandbox",
    readyMade: undefined,
  });
});

test("every place can be moved", () => {
  const environment = {
    HOME: "/home/op",
    XDG_CACHE_HOME: "/var/cache/op",
    XDG_STATE_HOME: "/ignored",
    FOUNDATION_SANDBOX_DIR: "/tmp/sandbox",
    FOUNDATION_PARTS_DIR: "/srv/parts",
  };
  expect(findPaths(environment, "/src")).toEqual({
    project: "/src",
    cache: "/var/cache/op/foundation",
    sandbox: "/tmp/sandbox",
    readyMade: "/srv/parts",
  });
});

test("all files of a sandbox are in its directory", () => {
  const files = sandboxFiles(findPaths({ FOUNDATION_SANDBOX_DIR: "/s", HOME: "/h" }, "/src"));
  expect(files).toEqual({
    config: "/s/Pulumi.sandbox.yaml",
    keys: "/s/keys",
    keyFile: "/s/keys/sandbox.key.json",
    passphrase: "/s/passphrase",
    recoveryKey: "/s/recovery-key",
    state: "/s/state.json",
    pulumi: "/s/pulumi",
    certificate: "/s/ca.crt",
    lock: "/s/rig",
  });
});
