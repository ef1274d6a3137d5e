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
import type { VaultRequest, VaultResponse } from "../../unseal-helper/effects.ts";
import { answerEncrypted } from "./encrypted-init.ts";
import { compileCache } from "../compile-cache.ts";
import { FakeVault } from "./fake-vault.ts";

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
  /** method and path of each request to Vault */
  readonly requests: string[] = [];
  readonly #calls = join(this.directory, "calls");
  /** Vault's configuration, which it reads when it is told to */
  readonly config = join(this.directory, "vault.hcl");
  readonly #restarted = join(this.directory, "restarted");
  readonly #reloaded = join(this.directory, "reloaded");
  #server: Server | undefined;

  async start(owner: string): Promise<void> {
    mkdirSync(this.volume);
    mkdirSync(this.#calls);
    writeFileSync(this.config, "ui = true\n", { mode: 0o400 });
    writeFileSync(join(this.directory, "running"), "");
    this.#server = createServer((request, response) => {
      let text = "";
      request.on("data", (chunk: Buffer) => (text += chunk.toString()));
      request.on("end", () => {
        const path = (request.url ?? "").replace("/v1/", "");
        const method = request.method as VaultRequest["method"];
        this.requests.push(`${method} ${path}`);
        this.#noticeRestart();
        void this.#answer(request, { method, path }, text).then(({ status, body }) =>
          response.writeHead(status).end(status === 204 ? "" : JSON.stringify(body)),
        );
      });
    });
    await new Promise<void>((resolve) => this.#server?.listen(0, "127.0.0.1", resolve));
    const { port } = this.#server.address() as AddressInfo;
    this.#program("ssh", sshProgram(this.#calls, this.directory, port));
    this.#program("sudo", '#!/bin/sh\n[ "$1" = -n ] && shift && exec "$@"\n');
    this.#program("docker", dockerProgram(owner, this.volume, this.directory));
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
    this.#server?.closeAllConnections();
    this.#server?.close();
    rmSync(this.directory, { recursive: true });
  }

  async #answer(
    { headers }: IncomingMessage,
    call: Pick<VaultRequest, "method" | "path">,
    text: string,
  ): Promise<VaultResponse> {
    const token = headers["x-vault-token"] as string | undefined;
    const body = text === "" ? undefined : (JSON.parse(text) as object);
    const request = { ...call, ...(token && { token }), ...(body && { body }) };
    if (call.path === "sys/init") return await answerEncrypted(this.vault, { ...request, method: "PUT" }, encrypt);
    return this.vault.answer(request);
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

/**
 * `-W` connects to the fake Vault; anything else is a command line that a shell runs, with /run and Vault's
 * configuration in the test's directory. A shell's script, because each run of the program starts several.
 */
function sshProgram(calls: string, directory: string, port: number): string {
  return `#!/usr/bin/env bash
call=${calls}/$EPOCHREALTIME
printf '%s\\0' "$@" >"$call.argv"
cat /proc/$$/environ >"$call.env"
here=${JSON.stringify(`s#/run/#${directory}/#g; s#/etc/foundation/vault/#${directory}/#g; s#/dev/tcp/127.0.0.1/8200#/dev/tcp/127.0.0.1/${port}#g`)}
command=$(sed "$here" <<<"\${@: -1}")
if [ "$1" = -W ]; then
  exec 3<>/dev/tcp/127.0.0.1/${port} || exit 255
  cat <&3 &
  cat <&0 >&3 &
  trap 'kill $(jobs -p)' EXIT
  trap exit TERM
  wait $!
elif [[ $command == *flock* ]]; then
  exec bash -c "$command"
else
  sed "$here" | bash -c "$command"
fi
`;
}

function dockerProgram(owner: string, volume: string, directory: string): string {
  const [running, restarted, reloaded] = ["running", "restarted", "reloaded"].map((name) => join(directory, name));
  return `#!/usr/bin/env bash
[ -z "$FAKE_MISSING" ] || exit 1
case "$*" in
  *"inspect -f {{index .Config.Labels"*" vault" | *"inspect -f {{index .Labels"*" vault-data") echo "\${FAKE_OWNER:-${owner}}" ;;
  "volume inspect -f {{.Mountpoint}} vault-data") echo "${volume}" ;;
  "container inspect -f {{.State.Running}} vault") [ -e "${running}" ] && echo true || echo false ;;
  "start vault") touch "${running}" ;;
  "stop -t 30 vault") rm -f "${running}"; touch "${restarted}" ;;
  "kill -s HUP vault") touch "${reloaded}" ;;
  "restart -t 30 vault") touch "${restarted}" ;;
  *) echo "unexpected: docker $*" >&2; exit 1 ;;
esac
`;
}
