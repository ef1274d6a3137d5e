import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client, ConnectConfig } from "ssh2";
import { EXIT, UserError } from "../../errors.ts";
import type { SshTarget } from "../../ssh-target.ts";

/** What a connection is for. */
export type SshPurpose =
  /** commands: there from the first one on */
  | "commands"
  /** Docker's socket: opened when Docker is there. A login gets its groups at its start, and `docker` may be new */
  | "docker";

const DIAL_TIMEOUT_MILLISECONDS = 30_000;
const DIAL_ATTEMPTS = 5;
/** Nobody listening yet, or no route: what a VM that is still starting looks like. */
const TRANSIENT = ["ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ETIMEDOUT", "ENETUNREACH"];

/** What the SSH library throws: an error of the socket with a code, or one of the protocol with a level. */
interface SshError extends Error {
  readonly code?: string;
  readonly level?: string;
}

/** One SSH connection for each target and purpose, shared by all steps; every step has its own channel in it. */
export class SshPool {
  readonly #agent: string | undefined;
  readonly #clients = new Map<string, Promise<Client>>();

  /** @param agentSocket path of the SSH agent's socket (`SSH_AUTH_SOCK`) */
  constructor(agentSocket: string | undefined) {
    this.#agent = agentSocket;
  }

  /**
   * The connection to a target; it is made again when the last one has ended.
   *
   * @throws UserError (unreachable) when nobody answers, when the host key is not the pinned one, or no key of the agent is accepted
   */
  connect(target: SshTarget, purpose: SshPurpose): Promise<Client> {
    const key = JSON.stringify([purpose, target]);
    const known = this.#clients.get(key);
    if (known) return known;
    const forget = (): void => void this.#clients.delete(key);
    const client = this.#dial(target, forget);
    client.catch(forget);
    this.#clients.set(key, client);
    return client;
  }

  /** Ends all connections. */
  close(): void {
    for (const client of this.#clients.values()) {
      client.then(
        (open) => open.end(),
        () => undefined,
      );
    }
    this.#clients.clear();
  }

  async #dial(target: SshTarget, onEnd: () => void): Promise<Client> {
    const where = `host ${target.user}@${target.address}:${target.port}`;
    if (!this.#agent)
      throw unreachable(where, "no SSH agent to log in with", "start one: eval $(ssh-agent) && ssh-add");
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await dialOnce(where, target, this.#agent, onEnd);
      } catch (error) {
        if (!isTransient(error as SshError) || attempt === DIAL_ATTEMPTS) {
          throw error instanceof UserError ? error : explain(where, target, error as SshError);
        }
        await sleep(attempt * 500);
      }
    }
  }
}

async function dialOnce(where: string, target: SshTarget, agent: string, onEnd: () => void): Promise<Client> {
  // loaded on first use: most runs change nothing, and it takes a tenth of a second
  const { Client: SshClient } = await import("ssh2");
  const client = new SshClient();
  let offered: Buffer | undefined;
  const config: ConnectConfig = {
    host: target.address,
    port: target.port,
    username: target.user,
    agent,
    readyTimeout: DIAL_TIMEOUT_MILLISECONDS,
    keepaliveInterval: 15_000,
    keepaliveCountMax: 4,
    algorithms: { serverHostKey: hostKeyAlgorithms(target.hostKey) },
    hostVerifier: (key: Buffer) => {
      offered = key;
      return key.equals(pinnedKey(target.hostKey));
    },
  };
  return new Promise((resolve, reject) => {
    client.once("ready", () => {
      // A request in a channel is several small packets; each would wait for the acknowledgement of the one before.
      client.setNoDelay(true);
      resolve(client);
    });
    client.on("error", (error) => {
      const wrong = offered && !offered.equals(pinnedKey(target.hostKey));
      reject(wrong ? wrongHostKey(where, target, offered ?? Buffer.of()) : error);
    });
    client.once("close", () => {
      onEnd();
      reject(Object.assign(new Error("the connection was closed during the login"), { code: "ECONNRESET" }));
    });
    client.connect(config);
  });
}

function isTransient({ code, level }: SshError): boolean {
  return TRANSIENT.includes(code ?? "") || level === "client-timeout";
}

function explain(where: string, target: SshTarget, error: SshError): UserError {
  if (error.level === "client-authentication") {
    return unreachable(
      where,
      "none of the SSH agent's keys is accepted",
      "ssh-add the operator's key; `ssh-add -l` lists them",
    );
  }
  // what a server says that has no key of the pinned type
  if (error.message.includes("no matching host key format")) {
    return unreachable(where, "has no host key of the pinned type", keyscanHint(target));
  }
  return unreachable(
    where,
    `cannot be reached: ${error.message}`,
    `check that the VM runs and that SSH answers: ssh -p ${target.port} ${target.user}@${target.address} true`,
  );
}

function wrongHostKey(where: string, target: SshTarget, offered: Buffer): UserError {
  return unreachable(
    where,
    `shows the host key ${fingerprint(offered)}, pinned is ${fingerprint(pinnedKey(target.hostKey))}`,
    keyscanHint(target),
  );
}

function keyscanHint({ address, port }: SshTarget): string {
  return `if the VM was made anew, pin its key (\`ssh-keyscan -p ${port} ${address}\`); if not, somebody is in between`;
}

function unreachable(where: string, what: string, hint: string): UserError {
  return new UserError(`${where}: ${what}`, hint, EXIT.unreachable);
}

function pinnedKey(hostKey: string): Buffer {
  return Buffer.from(hostKey.split(" ")[1] ?? "", "base64");
}

function fingerprint(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

type HostKeyAlgorithm = "ssh-ed25519" | "rsa-sha2-512" | "rsa-sha2-256";

/** Only the pinned key's own type: a server with several keys would otherwise show another one. */
function hostKeyAlgorithms(hostKey: string): HostKeyAlgorithm[] {
  const type = hostKey.split(" ", 1)[0] ?? "";
  return type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256"] : [type as HostKeyAlgorithm];
}
