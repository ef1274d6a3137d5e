import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "./errors.ts";
import { sshArguments, type SshTarget } from "./ssh-target.ts";

/**
 * Listens on a loopback port for as long as this process lives, and carries every connection to Vault on the VM's
 * loopback. SSH is started by the first connection, so an `up` that changes nothing in Vault contacts nobody.
 *
 * @param port local port; the Vault provider's address is stored in state, so the port is fixed per stack
 * @throws UserError when the port is taken: whoever listens there would be sent Vault's credentials
 */
export async function openVaultTunnel(target: SshTarget, port: number): Promise<void> {
  const forward = new Forward(target);
  // Half-open on both sides: a connection is carried as it is, and either end closes when it is done.
  const server = createServer({ allowHalfOpen: true }, (client) => {
    // From the start, because a client may be gone before the session stands.
    client.on("error", () => client.destroy());
    forward.path().then(
      (path) => client.destroyed || join(client, connect({ path, allowHalfOpen: true })),
      () => client.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        new UserError(
          `vault tunnel: cannot listen on 127.0.0.1:${String(port)}: ${error.code ?? error.message}`,
          "end the other run, or choose another port: pulumi config set foundation:vaultTunnelPort 18201",
        ),
      );
    });
    server.listen(port, "127.0.0.1", resolve);
  });
  server.unref();
}

function join(client: Socket, upstream: Socket): void {
  // The Vault provider keeps its connections open for 90 s after the last request; the program must not wait for that.
  client.unref();
  upstream.unref();
  client.pipe(upstream).pipe(client);
  client.on("error", () => upstream.destroy());
  upstream.on("error", () => client.destroy());
}

/** One SSH session that forwards a private socket to Vault; started when first needed, and again if it ended. */
class Forward {
  readonly #target: SshTarget;
  #path: Promise<string> | undefined;

  constructor(target: SshTarget) {
    this.#target = target;
  }

  /** Path of the socket, once it accepts connections. */
  path(): Promise<string> {
    this.#path ??= this.#start();
    return this.#path;
  }

  async #start(): Promise<string> {
    const directory = mkdtempSync(`${tmpdir()}/foundation-`);
    const path = `${directory}/vault.sock`;
    const remove = (): void => rmSync(directory, { recursive: true, force: true });
    // `cat` ends when our end of its stdin closes, so the session ends with this process even if that is killed.
    const argv = [
      "-o",
      "ExitOnForwardFailure=yes",
      "-L",
      `${path}:127.0.0.1:8200`,
      ...sshArguments(this.#target),
      "cat",
    ];
    const child = spawn("ssh", argv, { stdio: ["pipe", "ignore", "ignore"] });
    child.unref();
    (child.stdin as Socket).unref();
    process.once("exit", remove);
    const ended = new Promise<never>((_, reject) => {
      const end = (): void => {
        this.#path = undefined;
        remove();
        reject(new Error("ssh ended"));
      };
      child.once("error", end);
      child.once("exit", end);
    });
    try {
      await Promise.race([ended, accepts(path)]);
    } catch (error) {
      child.kill();
      throw error;
    }
    // From here its end only means that the next connection starts another.
    ended.catch(() => undefined);
    return path;
  }
}

async function accepts(path: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const accepted = await new Promise<boolean>((resolve) => {
      const probe = connect(path);
      probe.once("connect", () => {
        probe.destroy();
        resolve(true);
      });
      probe.once("error", () => resolve(false));
    });
    if (accepted) return;
    await sleep(100, undefined, { ref: false });
  }
  throw new Error("ssh did not open the forward");
}
