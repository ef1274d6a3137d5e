import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

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

/** A real Vault on this machine's loopback, with raft storage in a temporary directory, in the place of the VM's. */
export class LocalVault {
  readonly directory = mkdtempSync(join(tmpdir(), "vault-"));
  readonly data = join(this.directory, "data");
  readonly marker = join(this.data, ".foundation-epoch");
  readonly #port: number;
  #process: ChildProcess | undefined;

  constructor(archive: string, port: number) {
    this.#port = port;
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
    writeFileSync(join(this.directory, "vault.hcl"), config);
  }

  start(): void {
    if (this.#process !== undefined) return;
    const config = join(this.directory, "vault.hcl");
    this.#process = spawn(join(this.directory, "bin/vault"), ["server", `-config=${config}`], { stdio: "ignore" });
  }

  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
  }

  async restart(): Promise<void> {
    await this.stop();
    this.start();
  }

  /** As vault-host.sh does it. */
  wipe(marker: string): void {
    if (this.#process !== undefined || this.readMarker() !== marker)
      throw new Error("a wipe that vault-host.sh refuses");
    for (const name of readdirSync(this.data)) rmSync(join(this.data, name), { recursive: true });
  }

  readMarker(): string | undefined {
    return existsSync(this.marker) ? readFileSync(this.marker, "utf8").trimEnd() : undefined;
  }

  writeMarker(marker: string): void {
    writeFileSync(this.marker, `${marker}\n`);
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
