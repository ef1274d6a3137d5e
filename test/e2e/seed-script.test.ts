import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

// seed.sh beside a `docker` that writes down what it is asked.

const SCRIPT = readFileSync(new URL("../../components/scripts/seed.sh", import.meta.url), "utf8");
const OWNER = "00112233445566aa";
let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "seed-"))));
afterEach(() => rmSync(directory, { recursive: true }));

/** @param container owner of a container that is there already; `restored` is how the one that is made ends */
function run({ container = "", code = 0 }: { container?: string; code?: number }) {
  const calls = join(directory, "calls");
  const docker = join(directory, "docker");
  writeFileSync(
    docker,
    `#!/bin/bash
echo "$*" | sed -E 's/--hostname seed-[0-9]+-[0-9]+/--hostname RANDOM/' >>${calls}
case "$*" in
  "container inspect"*) [ -n "${container}" ] && echo "${container}" ;;
  "start --attach"*) echo '{"mode":"restored"}'; echo "seed: 1/1" >&2; exit ${String(code)} ;;
esac
`,
  );
  chmodSync(docker, 0o755);
  const { status, stdout, stderr } = spawnSync("bash", ["-s", "--", OWNER, "foundation/backup:0123", "auto"], {
    encoding: "utf8",
    input: SCRIPT.replaceAll("/run/", `${directory}/`).replaceAll('"$directory/cache"', "/nowhere"),
    env: { PATH: `${directory}:${process.env.PATH ?? ""}` },
  });
  const made = readFileSync(calls, "utf8").trim().split("\n");
  return { code: status, stdout, stderr, made };
}

const INSPECT = 'container inspect -f x{{index .Config.Labels "foundation.owner"}} seed';
const CREATE =
  `create --name seed --label foundation.owner=${OWNER} --user 0:0 --read-only --init --hostname RANDOM --cap-drop ALL ` +
  "--cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --security-opt no-new-privileges --memory 1g " +
  "--log-opt max-size=10m --log-opt max-file=2 --tmpfs /tmp:mode=1777,size=64m --tmpfs /var/lib/postgresql:mode=0700,size=1m " +
  "--volume /etc/foundation/seed:/etc/foundation:ro --volume /var/lib/foundation/seed:/seed " +
  "--volume forgejo-data:/target/forgejo:nocopy --volume caddy-data:/target/caddy:nocopy " +
  "--volume backup-data:/var/lib/backup --network postgres-backup foundation/backup:0123 restore --seed auto";
const REST = [
  CREATE,
  "network connect rustfs-backup seed",
  "network connect backup-public seed",
  "start --attach seed",
  "rm --force --volumes seed",
];

describe("seed.sh", () => {
  it("restores in a container that has the volumes and three networks, and leaves nothing", () => {
    expect(run({})).toEqual({
      code: 0,
      stdout: '{"mode":"restored"}\n',
      stderr: "seed: 1/1\n",
      made: [INSPECT, ...REST],
    });
  });

  it("takes over from a run whose connection broke", () => {
    expect(run({ container: `x${OWNER}` }).made).toEqual([INSPECT, "rm --force --volumes seed", ...REST]);
  });

  it("ends as the restore does", () => {
    expect(run({ code: 8 })).toMatchObject({ code: 8, made: [INSPECT, ...REST] });
  });

  it("leaves a container of somebody else alone", () => {
    expect(run({ container: "x" })).toEqual({
      code: 8,
      stdout: "",
      stderr: "seed: the container seed is not ours\nhint: docker rename seed seed-old (on the VM)\n",
      made: [INSPECT],
    });
  });
});
