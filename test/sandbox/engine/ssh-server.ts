import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import ssh2, { type Connection, type Session } from "ssh2";
import type { SshTarget } from "../../../ssh-target.ts";

/** An SSH server in this process that runs commands on this machine, and an agent with the key that it accepts. */
export class SshServer {
  readonly directory = mkdtempSync(join(tmpdir(), "ssh-"));
  readonly agentSocket = join(this.directory, "agent");
  /** variables that clients may set, as in sshd's AcceptEnv */
  acceptEnvironment: readonly string[] = [];
  logins = 0;
  #agent: ChildProcess | undefined;
  readonly #server: ssh2.Server;
  readonly #connections = new Set<Connection>();

  private constructor() {
    for (const name of ["host", "user"]) {
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(this.directory, name)]);
    }
    this.#server = new ssh2.Server({ hostKeys: [readFileSync(join(this.directory, "host"))] }, (connection) => {
      this.#accept(connection);
    });
  }

  static async start(): Promise<SshServer> {
    const server = new SshServer();
    server.#agent = spawn("ssh-agent", ["-D", "-a", server.agentSocket], { stdio: "ignore" });
    while (!existsSync(server.agentSocket)) await sleep(10);
    execFileSync("ssh-add", ["-q", join(server.directory, "user")], {
      env: { ...process.env, SSH_AUTH_SOCK: server.agentSocket },
    });
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get target(): SshTarget {
    const { port } = this.#server.address() as AddressInfo;
    return { address: "127.0.0.1", user: "tester", port, hostKey: this.publicKey("host") };
  }

  publicKey(name: "host" | "user"): string {
    return readFileSync(join(this.directory, `${name}.pub`), "utf8").trim();
  }

  /** Breaks all connections, as a reboot would. */
  drop(): void {
    for (const connection of this.#connections) connection.end();
  }

  stop(): void {
    this.drop();
    this.#server.close();
    this.#agent?.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #accept(connection: Connection): void {
    this.#connections.add(connection);
    const accepted = Buffer.from(this.publicKey("user").split(" ")[1] ?? "", "base64");
    connection.on("error", () => undefined);
    connection.on("close", () => this.#connections.delete(connection));
    connection.on("authentication", (context) => {
      if (context.method === "publickey" && context.key.data.equals(accepted)) context.accept();
      else context.reject(["publickey"]);
    });
    connection.on("ready", () => {
      this.logins += 1;
      connection.on("session", (accept) => {
        this.#session(accept());
      });
      connection.on("openssh.streamlocal", (accept, reject, info) => {
        const socket = connect(info.socketPath);
        socket.on("connect", () => {
          const channel = accept();
          channel.pipe(socket).pipe(channel);
        });
        socket.on("error", () => reject());
      });
    });
  }

  #session(session: Session): void {
    const environment: Record<string, string> = {};
    session.on("env", (accept, _reject, { key, val }: { key: string; val: string }) => {
      // sshd ignores what it does not accept, without a word to clients that ask for none
      if (this.acceptEnvironment.includes(key)) environment[key] = val;
      accept?.();
    });
    session.on("exec", (accept, _reject, { command }) => {
      const channel = accept();
      const child = spawn("/bin/sh", ["-c", command], { env: { PATH: process.env["PATH"], ...environment } });
      channel.pipe(child.stdin);
      child.stdin.on("error", () => undefined);
      child.stdout.on("data", (data: Buffer) => channel.write(data));
      child.stderr.on("data", (data: Buffer) => channel.stderr.write(data));
      channel.on("close", () => child.kill());
      child.on("close", (code, signal) => {
        if (signal) channel.exit(signal.replace("SIG", ""));
        else channel.exit(code ?? 255);
        channel.end();
      });
    });
  }
}
