import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hostInstaller } from "../../components/host.ts";
import { asRoot, oneAtATime, type ScriptName, SCRIPTS, type Vm } from "../../components/vm.ts";
import { EXIT } from "../../errors.ts";
import { sshArguments, type SshTarget } from "../../ssh-target.ts";
import { containerOf } from "../../sandbox/vm/machine.ts";
import { type Ended, engine, files, paths, readConfig, run, sandbox, writeConfig } from "./rig.ts";

// A second VM, as bare as it comes, and a stack of its own that is only ever refused there.
const directory = mkdtempSync(join(tmpdir(), "foundation-bad-input-"));
const stack = { state: join(directory, "state.json"), config: join(directory, "Pulumi.sandbox.yaml") };
let target: SshTarget;

async function removeBareVm(): Promise<void> {
  await run(["docker", "rm", "--force", "--volumes", containerOf("bare")]);
  await run(["docker", "volume", "rm", "--force", `${containerOf("bare")}-docker`]);
}

beforeAll(async () => {
  await removeBareVm();
  const { code, stdout, stderr } = await sandbox(["start", "bare"]);
  expect(code, stderr).toBe(0);
  const [, address = ""] = /^bare: root@(\S+)$/m.exec(stdout) ?? [];
  const [type = "", key = ""] = readFileSync(join(paths.sandbox, "ssh", "host-bare.pub"), "utf8").split(" ");
  target = { address, user: "root", port: 22, hostKey: `${type} ${key}`.trim() };
});
afterAll(async () => {
  rmSync(directory, { recursive: true, force: true });
  await removeBareVm();
});

async function onBareVm(command: string): Promise<string> {
  const { code, stdout, stderr } = await run(["ssh", ...sshArguments(target), command]);
  if (code !== 0) throw new Error(`${command}: exit ${String(code)}: ${stderr}`);
  return stdout;
}

interface Refusal {
  readonly code: number;
  readonly error: string;
  readonly hint: string;
}

/** Deploys to the bare VM and returns how that was refused. */
async function refusal(
  change: Record<string, unknown> = {},
  environment: Record<string, string> = {},
): Promise<Refusal> {
  rmSync(stack.state, { force: true });
  writeConfig(stack.config, {
    ...readConfig(),
    "foundation:host": { ...target },
    "foundation:offsite": "none",
    "foundation:vaultTunnelPort": 18210,
    ...change,
  });
  const { code, stdout, stderr } = await engine(["up"], stack, { environment });
  const lines = (stdout + stderr).split("\n").filter((line) => !/^(up: |warning: |$)/.test(line));
  const error = lines.findIndex((line) => line.startsWith("error: "));
  const hint = lines.findIndex((line) => line.startsWith("hint: "));
  return {
    code: code ?? -1,
    error: lines
      .slice(error, hint)
      .join("\n")
      .replace(/^error: /, ""),
    hint: lines
      .slice(hint)
      .join("\n")
      .replace(/^hint: /, ""),
  };
}

describe("before anything is contacted", () => {
  test("an unknown key of the configuration", async () => {
    expect(await refusal({ "foundation:ofsite": "none" })).toEqual({
      code: EXIT.config,
      error: "config foundation:ofsite: unknown key",
      hint: "pulumi config rm foundation:ofsite",
    });
  });

  test("a wrong passphrase", async () => {
    const environment = { PULUMI_CONFIG_PASSPHRASE: "not the passphrase of this key file" };
    expect(await refusal({}, environment)).toEqual({
      code: EXIT.passphrase,
      error: `${files.keyFile}: the passphrase does not open this key file`,
      hint: "type it again, to the letter; if it is lost: npx foundation vault passphrase reset",
    });
  });

  test("a missing key file", async () => {
    const keys = join(directory, "empty");
    const { code, error } = await refusal({ "foundation:keyDirectory": keys });
    expect({ code, error }).toEqual({ code: EXIT.keyFile, error: `${keys}/sandbox.key.json: no key file` });
  });

  test("a damaged key file", async () => {
    const keys = join(directory, "damaged");
    mkdirSync(keys, { recursive: true });
    const damaged = join(keys, "sandbox.key.json");
    copyFileSync(files.keyFile, damaged);
    const text = readFileSync(damaged, "utf8");
    writeFileSync(damaged, text.slice(0, text.length / 2));
    const { code, error } = await refusal({ "foundation:keyDirectory": keys });
    expect({ code, error: error.split(": ").slice(0, 2).join(": ") }).toEqual({
      code: EXIT.keyFile,
      error: `${damaged}: damaged`,
    });
  });
});

describe("before anything on the VM is changed", () => {
  // Whatever was refused, the VM has to be as bare as before.
  afterAll(async () => {
    expect(
      (await onBareVm("command -v docker; ls -d /etc/foundation /var/lib/foundation 2>/dev/null; true")).trim(),
    ).toBe("");
  });

  test("a VM that does not answer", async () => {
    expect(await refusal({ "foundation:host": { ...target, port: 4 } })).toEqual({
      code: EXIT.unreachable,
      error: `preflight: root@${target.address}:4: connect to host ${target.address} port 4: Connection refused`,
      hint: `is the VM up, and can it be reached from here? nc -vz ${target.address} 4`,
    });
  });

  test("a wrong host key", async () => {
    const other = readFileSync(join(paths.sandbox, "ssh", "host-prod.pub"), "utf8")
      .split(" ")
      .slice(0, 2)
      .join(" ");
    expect(await refusal({ "foundation:host": { ...target, hostKey: other.trim() } })).toEqual({
      code: EXIT.unreachable,
      error: expect.stringMatching(
        /^preflight: root@[\d.]+:22: the pinned host key is SHA256:\S+ \(ssh-ed25519\), it presents SHA256:\S+$/,
      ) as string,
      hint: [
        "compare on the VM's console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
        `only if the VM was rebuilt: pulumi config set --path foundation:host.hostKey "$(ssh-keyscan -t ed25519 -p 22 ${target.address} | cut -d" " -f2-)"`,
      ].join("\n"),
    });
  });

  test("an unsupported operating system", async () => {
    await onBareVm(
      'cp -L /etc/os-release /root/os-release; rm /etc/os-release; sed \'s/^VERSION_ID=.*/VERSION_ID="10"/; s/^PRETTY_NAME=.*/PRETTY_NAME="Debian GNU\\/Linux 10 (buster)"/\' /root/os-release >/etc/os-release',
    );
    try {
      expect(await refusal()).toEqual({
        code: EXIT.host,
        error: "preflight: unsupported operating system: Debian GNU/Linux 10 (buster)",
        hint: "install one of: Debian 12, Debian 13, Ubuntu 24.04",
      });
    } finally {
      await onBareVm("mv /root/os-release /etc/os-release");
    }
  });

  test("a disk that is too small", async () => {
    await onBareVm("mount -t tmpfs -o size=3g tmpfs /var/lib/docker");
    try {
      expect(await refusal()).toEqual({
        code: EXIT.host,
        error: "preflight: disk too small: 3.0 GiB free on /var/lib/docker, 10 GiB are needed",
        hint: "make room or enlarge the disk; what takes the space: du -xh --max-depth=2 /var/lib/docker | sort -h | tail",
      });
    } finally {
      await onBareVm("umount /var/lib/docker");
    }
  });

  test("a port that something else has taken", async () => {
    await onBareVm("systemd-run --quiet --unit=squatter systemd-socket-activate --listen=443 /bin/cat");
    try {
      expect(await refusal()).toEqual({
        code: EXIT.host,
        error: "preflight: port 443 is taken by systemd-socket-",
        hint: "stop it on the VM, for good; who it is: ss -ltnp sport = :443",
      });
    } finally {
      await onBareVm("systemctl stop squatter");
    }
  });

  test("a clock that is off by more than a minute", async () => {
    await onBareVm(
      'printf \'#!/bin/sh\\nexec /bin/date -d "+150 seconds" "$@"\\n\' >/usr/local/bin/date; chmod +x /usr/local/bin/date',
    );
    try {
      expect(await refusal()).toEqual({
        code: EXIT.host,
        error: expect.stringMatching(/^preflight: the VM's clock is 1(49|50|51) s ahead of this machine's$/) as string,
        hint: "certificates and tokens depend on it; on whichever is wrong: timedatectl set-ntp true",
      });
    } finally {
      await onBareVm("rm /usr/local/bin/date");
    }
  });
});

describe("an installation of packages", () => {
  const installer = hostInstaller(
    Object.fromEntries(
      SCRIPTS.map((name) => [name, readFileSync(join(paths.project, "components", "scripts", `${name}.sh`), "utf8")]),
    ) as Record<ScriptName, string>,
  );

  /** Runs the installation as the program does; when dpkg has begun with a step, something is done on the VM. */
  async function install(step = "none", action = "true"): Promise<Ended> {
    // [-]: the pattern must not find its own command line.
    const watch = `(until pgrep -f 'dpkg .*[-]-${step}' >/dev/null; do sleep 0.05; done; ${action}) & watch=$!`;
    const command = asRoot({ target } as Vm, 900, [...oneAtATime("host"), "bash", "-s", "--", "root", "2222"]);
    return await run(
      ["ssh", ...sshArguments(target), `${watch}; ${command}; code=$?; kill $watch 2>/dev/null; exit $code`],
      {
        input: installer,
        killOn: (line) => line === "reached",
      },
    );
  }

  test("that the VM did not survive is finished by the next run, whose connection may break", async () => {
    const reset = await install("configure", "pkill -9 apt-get; pkill -9 dpkg");
    expect([reset.code, reset.stderr.trim().split("\n").at(-1)]).toEqual([
      EXIT.host,
      expect.stringMatching(/^hint: on the VM: apt-get install /) as string,
    ]);
    expect(await onBareVm("dpkg --audit")).not.toBe("");

    expect((await install("configure", "echo reached")).code).toBeNull();
    const last = await install();
    expect([last.code, last.stdout], last.stderr).toEqual([0, "ready\n"]);
    expect(await onBareVm("dpkg --audit; docker version --format '{{.Server.Os}}'")).toBe("linux\n");
  });
});

describe("before anything of somebody else is touched", () => {
  test("a volume of another owner under our name", async () => {
    await onBareVm("docker volume create postgres-data");
    try {
      expect(await refusal()).toEqual({
        code: EXIT.refused,
        error: "preflight: volume postgres-data exists and is not ours: it has no foundation.owner label",
        hint: "look at it on the VM (docker volume inspect postgres-data), then save what it holds and remove it, or choose another VM",
      });
    } finally {
      await onBareVm("docker volume rm postgres-data");
    }
  });

  test("a container of another owner under our name", async () => {
    const { caddy } = readConfig()["foundation:images"] as Record<string, string>;
    await onBareVm(`docker create --name caddy --label foundation.owner=0123456789abcdef ${caddy ?? ""}`);
    try {
      expect(await refusal()).toEqual({
        code: EXIT.refused,
        error: "preflight: container caddy exists and is not ours: owner 0123456789abcdef",
        hint: "look at it on the VM (docker container inspect caddy), then docker rename caddy caddy-old, or choose another VM",
      });
      expect(await onBareVm("docker ps -aq --filter name=caddy")).not.toBe("");
    } finally {
      await onBareVm("docker rm caddy");
    }
  });
});

test("an image digest that does not exist", async () => {
  const images = readConfig()["foundation:images"] as Record<string, string>;
  const caddy = (images.caddy ?? "").replace(/[0-9a-f]{64}$/, "0".repeat(64));
  const { code, error } = await refusal({ "foundation:images": { ...images, caddy } });
  expect(code).toBe(EXIT.failed);
  expect(error.startsWith(`docker:index/remoteImage:RemoteImage caddy-image: image ${caddy}: cannot be pulled: `)).toBe(
    true,
  );
});
