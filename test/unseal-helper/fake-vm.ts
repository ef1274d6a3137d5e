import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMessage, encrypt as pgpEncrypt, readKey } from "openpgp";
import type { VaultRequest } from "../../unseal-helper/effects.ts";
import { answerEncrypted } from "./encrypted-init.ts";
import { compileCache } from "../compile-cache.ts";
import { dockerProgram, sshProgram } from "./fake-programs.ts";
import { copyStorage, FakeVault } from "./fake-vault.ts";
import { packSnapshot } from "./snapshot-file.ts";

/** What `ssh` was started with. */
export interface SshCall {
  readonly argv: string[];
  readonly env: Record<string, string>;
}

/**
 * A machine for whole-program tests: an `ssh` on the PATH that leads back to this one, a `docker` that knows one
 * container and one volume, and the fake Vault behind real HTTP.
 */
export class FakeVm {
  readonly directory = mkdtempSync(join(tmpdir(), "vm-"));
  readonly volume = join(this.directory, "volume");
  readonly vault = new FakeVault();
  /** the one that a drill starts */
  readonly drillVault = new FakeVault();
  /** method and path of each request to Vault */
  readonly requests: string[] = [];
  readonly #calls = join(this.directory, "calls");
  /** Vault's configuration, which it reads when it is told to */
  readonly config = join(this.directory, "vault.hcl");
  readonly #restarted = join(this.directory, "restarted");
  readonly #reloaded = join(this.directory, "reloaded");
  readonly #servers: Server[] = [];

  async start(owner: string): Promise<void> {
    mkdirSync(this.volume);
    mkdirSync(this.#calls);
    writeFileSync(this.config, "ui = true\n", { mode: 0o400 });
    writeFileSync(join(this.directory, "running"), "");
    const port = await this.#listen(this.vault, () => this.#noticeRestart());
    const drillPort = await this.#listen(this.drillVault, () => this.#noticeDrill());
    this.#program("ssh", sshProgram({ calls: this.#calls, directory: this.directory, port, drillPort }));
    this.#program("sudo", '#!/bin/sh\n[ "$1" = -n ] && shift && exec "$@"\n');
    this.#program("docker", dockerProgram(owner, this.volume, this.directory));
    // Only root may give files away.
    this.#program("chown", "#!/bin/sh\n");
  }

  /** Puts a program into the VM's PATH, in place of the real one. */
  replaceProgram(name: string, script: string): void {
    this.#program(name, `#!/usr/bin/env bash\n${script}\n`);
  }

  async #listen(vault: FakeVault, notice: () => void): Promise<number> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const path = (request.url ?? "").replace("/v1/", "");
        const method = request.method as VaultRequest["method"];
        if (vault === this.vault) this.requests.push(`${method} ${path}`);
        notice();
        void this.#answer(vault, request, { method, path }, Buffer.concat(chunks)).then(({ status, body }) =>
          response.writeHead(status).end(Buffer.isBuffer(body) ? body : status === 204 ? "" : JSON.stringify(body)),
        );
      });
    });
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  }

  /** Environment in which this VM is the one that `ssh` reaches. */
  environment(more: Record<string, string> = {}): Record<string, string> {
    return { ...compileCache(), PATH: `${join(this.directory, "bin")}:${process.env["PATH"]}`, ...more };
  }

  /** every start of `ssh` so far */
  sshCalls(): SshCall[] {
    if (!existsSync(this.#calls)) return [];
    const names = readdirSync(this.#calls).filter((name) => name.endsWith(".argv"));
    return names.sort().map((name) => {
      const parts = (path: string): string[] => readFileSync(path, "latin1").split("\0").slice(0, -1);
      const path = join(this.#calls, name);
      const env = parts(path.replace(/argv$/, "env")).map((entry) => /^([^=]*)=(.*)$/s.exec(entry)?.slice(1) ?? []);
      return { argv: parts(path), env: Object.fromEntries(env) as Record<string, string> };
    });
  }

  stop(): void {
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
    rmSync(this.directory, { recursive: true });
  }

  async #answer(
    vault: FakeVault,
    { headers }: IncomingMessage,
    call: Pick<VaultRequest, "method" | "path">,
    content: Buffer,
  ): Promise<{ status: number; body: object }> {
    const token = headers["x-vault-token"] as string | undefined;
    if (call.path === "sys/storage/raft/snapshot") return this.#snapshot(token);
    const isJson = content.length > 0 && call.path !== "sys/storage/raft/snapshot-force";
    const body = isJson ? (JSON.parse(content.toString()) as object) : {};
    const request = { ...call, ...(token && { token }), ...(isJson && { body }) };
    // Only the helper's own program on the VM asks with POST.
    if (call.path === "sys/init" && "pgp_keys" in body) {
      return await answerEncrypted(vault, { ...request, method: "PUT" }, encrypt);
    }
    return vault.answer(request);
  }

  /** A file that is whole; what snapshot-force puts back is what is in Vault now. */
  #snapshot(token = ""): { status: number; body: object } {
    if (this.vault.storage?.tokens.has(token) !== true) return { status: 403, body: {} };
    const path = join(this.directory, "snapshot");
    packSnapshot(path);
    this.vault.snapshot = copyStorage(this.vault.storage);
    this.drillVault.snapshot = this.vault.snapshot;
    return { status: 200, body: readFileSync(path) };
  }

  #noticeDrill(): void {
    const [restarted, removed] = ["drill-restarted", "drill-removed"].map((name) => join(this.directory, name));
    if (existsSync(removed ?? "")) this.drillVault.storage = undefined;
    if (existsSync(restarted ?? "") || existsSync(removed ?? "")) this.drillVault.restart();
    for (const path of [restarted, removed]) rmSync(path ?? "", { force: true });
  }

  #noticeRestart(): void {
    const isRestarted = existsSync(this.#restarted);
    if (!isRestarted && !existsSync(this.#reloaded)) return;
    const [, family] = /^enable_unauthenticated_access = \["(.*)"\]/m.exec(readFileSync(this.config, "utf8")) ?? [];
    this.vault.openFamilies = family === undefined ? [] : [family];
    if (isRestarted) this.vault.restart();
    rmSync(this.#restarted, { force: true });
    rmSync(this.#reloaded, { force: true });
  }

  #program(name: string, text: string): void {
    mkdirSync(join(this.directory, "bin"), { recursive: true });
    const path = join(this.directory, "bin", name);
    writeFileSync(path, text);
    chmodSync(path, 0o755);
  }
}

async function encrypt(publicKey: string, text: string): Promise<string> {
  const message = await createMessage({ text });
  const encryptionKeys = await readKey({ binaryKey: Buffer.from(publicKey, "base64") });
  const encrypted = await pgpEncrypt({ message, encryptionKeys, format: "binary" });
  return Buffer.from(encrypted as Uint8Array).toString("base64");
}
