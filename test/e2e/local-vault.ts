import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../unseal-helper/exec.ts";
import type { Effects, VaultRequest } from "../../unseal-helper/effects.ts";
import { realEffects, shareFileEffects } from "../../unseal-helper/real-effects.ts";
import type { Seed } from "../../unseal-helper/seed.ts";
import type { HostCommand } from "../../unseal-helper/vault-host.ts";

const ARCHIVE = "vault.tar.xz";

/** The ready-made Vault of FOUNDATION_PARTS_DIR, checked against its checksum; `undefined` where there is none. */
export function vaultArchive(directory = process.env["FOUNDATION_PARTS_DIR"]): string | undefined {
  if (directory === undefined || !existsSync(join(directory, ARCHIVE))) return undefined;
  const archive = join(directory, ARCHIVE);
  const sums = readFileSync(join(directory, "SHA256SUMS"), "utf8");
  const sum = createHash("sha256").update(readFileSync(archive)).digest("hex");
  if (!sums.includes(`${sum}  ${ARCHIVE}`)) throw new Error(`${archive}: not as in SHA256SUMS`);
  return archive;
}

/** What a run has that is no rebuild. */
export const NO_SEED: Seed = {
  read: () => Promise.resolve(undefined),
  fetch: () => Promise.reject(new Error("no seed")),
  remove: () => Promise.reject(new Error("no seed")),
  transfer: {
    download: () => Promise.reject(new Error("no seed")),
    upload: () => Promise.reject(new Error("no seed")),
  },
  appRole: () => {
    throw new Error("no seed");
  },
};

const SCRIPT = readFileSync(new URL("../../unseal-helper/vault-host.sh", import.meta.url), "utf8");

/**
 * A real Vault on this machine's loopback, with raft storage in a temporary directory, in the place of the VM's. Its
 * files are those that the real vault-host.sh works on.
 */
export class LocalVault {
  readonly directory = mkdtempSync(join(tmpdir(), "vault-"));
  readonly data = join(this.directory, "data");
  readonly marker = join(this.data, ".foundation-epoch");
  readonly config: string;
  readonly #port: number;
  readonly #pidFile: string;
  #process: ChildProcess | undefined;

  constructor(archive: string, port: number) {
    this.#port = port;
    this.config = join(this.directory, "vault.hcl");
    this.#pidFile = join(this.directory, "pid");
    execFileSync("tar", ["-xJf", archive, "-C", this.directory]);
    mkdirSync(this.data);
    const config = `disable_mlock = true
api_addr = "http://127.0.0.1:${port}"
cluster_addr = "http://127.0.0.1:${port + 1}"
storage "raft" {
  path = "${this.data}"
  node_id = "vault-0"
  performance_multiplier = 1
}
listener "tcp" {
  address = "127.0.0.1:${port}"
  tls_disable = true
}
`;
    writeFileSync(this.config, config);
    const docker = join(this.directory, "docker");
    writeFileSync(docker, dockerProgram(this.data, this.#pidFile));
    chmodSync(docker, 0o755);
  }

  start(): void {
    if (this.#process !== undefined) return;
    const argv = ["server", `-config=${this.config}`];
    this.#process = spawn(join(this.directory, "bin/vault"), argv, { stdio: "ignore" });
    writeFileSync(this.#pidFile, String(this.#process.pid));
  }

  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    rmSync(this.#pidFile, { force: true });
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
  }

  async restart(): Promise<void> {
    await this.stop();
    this.start();
  }

  /** The world with this Vault in it; the share file is the only one of the operator's files. */
  effects(shareFile: string, agent: Agent): Effects {
    const file = shareFileEffects(shareFile);
    const world = realEffects({ file, agent, host: this, log: () => undefined });
    return {
      ...world,
      // The container has a volume there.
      requestVault: (request) => world.requestVault(this.#withLogsHere(request)),
      startVault: () => Promise.resolve(this.start()),
      stopVault: () => this.stop(),
      restartVault: () => this.restart(),
    };
  }

  #withLogsHere(request: VaultRequest): VaultRequest {
    const text = JSON.stringify(request).replaceAll("/vault/logs/", `${this.directory}/logs/`);
    return JSON.parse(text) as VaultRequest;
  }

  /** vault-host.sh on this machine's files; only starting and stopping is left to the methods above. */
  async run([command, ...words]: HostCommand): Promise<string> {
    const script = SCRIPT.replaceAll("/run/", `${this.directory}/`)
      .replaceAll("/dev/tcp/127.0.0.1/8200", `/dev/tcp/127.0.0.1/${this.#port}`)
      .replaceAll("/etc/foundation/vault/vault.hcl", this.config);
    const env = { PATH: `${this.directory}:${process.env["PATH"]}` };
    const argv = ["bash", "-s", "--", "owner", command, ...words];
    const { code, stdout, stderr } = await run(argv, { env, input: script, timeoutSeconds: 60 });
    if (code !== 0) throw new Error(`${command}: ${code}: ${stderr}`);
    return stdout.trimEnd();
  }

  withLock<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  readMarker(): string | undefined {
    return existsSync(this.marker) ? readFileSync(this.marker, "utf8").trimEnd() : undefined;
  }

  agent(): Agent {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    agent.createConnection = () => connect(this.#port, "127.0.0.1");
    return agent;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true });
  }
}

function dockerProgram(data: string, pidFile: string): string {
  return `#!/usr/bin/env bash
case "$*" in
  *"inspect -f {{index "*) echo owner ;;
  "volume inspect -f {{.Mountpoint}} vault-data") echo "${data}" ;;
  "container inspect -f {{.State.Running}} vault") [ -e "${pidFile}" ] && echo true || echo false ;;
  "kill -s HUP vault") kill -HUP "$(cat "${pidFile}")" ;;
  *) echo "unexpected: docker $*" >&2; exit 1 ;;
esac
`;
}
