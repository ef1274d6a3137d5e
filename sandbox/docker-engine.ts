import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT, UserError } from "../errors.ts";
import { aptInstall, isInstalled } from "./host-packages.ts";
import { findProcess } from "./processes.ts";
import type { Rig } from "./rig.ts";

/** docker-cli is a package of its own from Debian 13 on; cgroupfs-mount is for machines without systemd. */
const PACKAGES = ["docker.io", "docker-cli?", "iptables", "apparmor?"];

/** Finds a running Docker, starts an installed one, installs a missing one: the first of these that is possible. */
export async function ensureDocker(rig: Rig): Promise<void> {
  if (await isRunning(rig)) return;
  if (!(await isInstalled(rig, "docker")) || !(await isInstalled(rig, "dockerd"))) {
    await aptInstall(rig, hasSystemd() ? PACKAGES : [...PACKAGES, "cgroupfs-mount?"]);
    // The packages start it where there is an init system to do so.
    if (await isRunning(rig)) return;
  }
  await rig.progress.step("docker", "starting", () => (hasSystemd() ? startService(rig) : startDaemon(rig)));
}

async function isRunning({ exec }: Rig): Promise<boolean> {
  return (await exec(["docker", "version", "--format", "{{.Server.Version}}"], { mayFail: true })).code === 0;
}

// A daemon that was killed leaves this, and the next one refuses to start while any process has the id in it.
const DAEMON_PID_FILE = "/var/run/docker.pid";

const isDaemon = (pid: string): boolean => findProcess(Number(pid))?.name === "dockerd";

const hasSystemd = (): boolean => existsSync("/run/systemd/system");

async function startService({ exec }: Rig): Promise<void> {
  await exec(["systemctl", "enable", "--now", "docker"], { hint: "journalctl -u docker" });
}

/** Without systemd (in a container, in CI) the daemon is ours: it is started here and ended by `destroy`. */
async function startDaemon(rig: Rig): Promise<void> {
  const { exec, paths } = rig;
  mkdirSync(paths.sandbox, { recursive: true, mode: 0o700 });
  const log = join(paths.sandbox, "dockerd.log");
  if (!existsSync("/sys/fs/cgroup/cgroup.controllers") && !existsSync("/sys/fs/cgroup/memory")) {
    await exec(["cgroupfs-mount"], { mayFail: true });
  }
  if (existsSync(DAEMON_PID_FILE) && !isDaemon(readFileSync(DAEMON_PID_FILE, "utf8"))) rmSync(DAEMON_PID_FILE);
  const pid = exec.detach(["dockerd"], log);
  writeFileSync(pidFile(paths.sandbox), String(pid));
  for (let attempt = 0; attempt < 120; attempt++) {
    if (await isRunning(rig)) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  const tail = readFileSync(log, "utf8").trim().split("\n").at(-1) ?? "";
  throw new UserError(`docker: the daemon does not start: ${tail}`, `read ${log}`, EXIT.host);
}

/** Ends the daemon if it was started by the rig and nothing else runs in it. */
export async function stopOwnDaemon({ exec, paths }: Rig): Promise<void> {
  if (!existsSync(pidFile(paths.sandbox))) return;
  const pid = readFileSync(pidFile(paths.sandbox), "utf8");
  const { stdout } = await exec(["docker", "ps", "--quiet"], { mayFail: true });
  if (stdout.trim() === "" && isDaemon(pid)) await exec(["kill", pid], { mayFail: true });
  rmSync(pidFile(paths.sandbox), { force: true });
}

const pidFile = (sandbox: string): string => join(sandbox, "dockerd.pid");
