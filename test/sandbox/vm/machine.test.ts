import { expect, test } from "vitest";
import { createArgv, type Machine } from "../../../sandbox/vm/machine.ts";

const machine: Machine = { name: "prod", image: "vm:1", address: "10.87.53.10", packageCache: "/cache/prod" };
const BEFORE =
  "docker create --name foundation-sandbox-prod --hostname prod --label foundation.sandbox" +
  " --network foundation-sandbox --ip 10.87.53.10 --restart=unless-stopped";
const AFTER =
  "--tmpfs /run --tmpfs /run/lock --tmpfs /tmp:exec --volume foundation-sandbox-prod-docker:/var/lib/docker" +
  " --volume /cache/prod/archives:/var/cache/apt/archives --volume /cache/prod/lists:/var/lib/apt/lists --env container=docker vm:1";

test("a VM on an ordinary machine is a privileged container with cgroups of its own", () => {
  const argv = createArgv(machine, { privileged: true, cgroupVersion: 2, devices: ["/dev/fuse"] });
  expect(argv.join(" ")).toBe(`${BEFORE} --privileged --cgroupns=private ${AFTER}`);
});

test("where that is refused, a VM gets everything but CAP_SYS_RESOURCE", () => {
  const devices = ["/dev/net/tun", "/dev/fuse", "/dev/loop-control"];
  const argv = createArgv(machine, { privileged: false, cgroupVersion: 1, devices });
  expect(argv.join(" ")).toBe(
    `${BEFORE} --cap-add=ALL --cap-drop=SYS_RESOURCE --security-opt seccomp=unconfined` +
      " --security-opt apparmor=unconfined --security-opt systempaths=unconfined" +
      " --device /dev/net/tun --device /dev/fuse --device /dev/loop-control --device-cgroup-rule b 7:* rmw" +
      ` --cgroupns=host --volume /sys/fs/cgroup:/sys/fs/cgroup:rw ${AFTER}`,
  );
});
