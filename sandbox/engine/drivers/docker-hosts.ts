import type Docker from "dockerode";
import type { DockerOptions } from "dockerode";
import { Agent } from "node:http";
import type { Duplex } from "node:stream";
import { inspect } from "node:util";
import { EXIT, UserError } from "../../../errors.ts";
import type { SshTarget } from "../../../ssh-target.ts";
import { text, type DriverContext } from "../driver.ts";
import type { SshPool } from "../ssh-pool.ts";
import type { Properties } from "../values.ts";

/** Where the Docker daemon listens on every Debian host. */
const DOCKER_SOCKET = "/var/run/docker.sock";

/** The Docker API of one host. Without a version in the path the daemon speaks the newest that it knows, from 20.10 on. */
export interface DockerHost {
  readonly api: Docker;
  /** as in `1.41` */
  readonly apiVersion: string;
}

/** Connections to the Docker daemons that the providers name, one each. */
export class DockerHosts {
  readonly #pool: SshPool;
  readonly #hosts = new Map<string, Promise<DockerHost>>();

  constructor(pool: SshPool) {
    this.#pool = pool;
  }

  /** @throws UserError when the daemon cannot be reached */
  connect({ provider = {}, label }: DriverContext): Promise<DockerHost> {
    const key = JSON.stringify([provider["host"], provider["sshOpts"]]);
    const known = this.#hosts.get(key);
    if (known) return known;
    const host = this.#open(provider, label);
    host.catch(() => this.#hosts.delete(key));
    this.#hosts.set(key, host);
    return host;
  }

  async #open(provider: Properties, label: string): Promise<DockerHost> {
    const address = parseDockerHost(provider, label);
    // loaded on first use: most runs change nothing, and it takes a third of a second
    const { default: DockerClient } = await import("dockerode");
    const api = new DockerClient(this.#options(address));
    const { ApiVersion: apiVersion } = await api.version().catch((error: unknown) => {
      throw error instanceof UserError ? error : unreachable(describe(address), (error as Error).message);
    });
    return { api, apiVersion };
  }

  #options(address: string | SshTarget): DockerOptions {
    // `host` is given in both cases: DOCKER_HOST in the operator's shell must not lead elsewhere
    if (typeof address === "string") return { socketPath: address, host: undefined };
    const agent = new TunnelAgent(() => this.#openSocket(address));
    return { host: "localhost", port: 80, protocol: "http", agent } as DockerOptions;
  }

  async #openSocket(target: SshTarget): Promise<Duplex> {
    const client = await this.#pool.connect(target, "docker");
    return new Promise((resolve, reject) => {
      client.openssh_forwardOutStreamLocal(DOCKER_SOCKET, (error: Error | undefined, channel) => {
        if (error) reject(unreachable(describe(target), error.message));
        else resolve(channel);
      });
    });
  }
}

/** HTTP over channels of the SSH connection: one channel for each request, which costs a round trip and no login. */
export class TunnelAgent extends Agent {
  readonly #open: () => Promise<Duplex>;

  constructor(open: () => Promise<Duplex>) {
    super();
    this.#open = open;
  }

  override createConnection(_options: unknown, callback?: (error: Error | null, stream: Duplex) => void): undefined {
    this.#open().then(
      (stream) => callback?.(null, stream),
      (error: unknown) => callback?.(error as Error, undefined as never),
    );
  }

  /** The Docker library renders its request to the last detail, to log it or not; with all the SSH connection in it. */
  [inspect.custom](): string {
    return "TunnelAgent";
  }
}

/**
 * Where a docker provider points to: the path of a socket, or an SSH target. The pinned host key is the one in the
 * option KnownHostsCommand of `sshOpts`, which is how the program pins it for the real provider too.
 *
 * @throws UserError for other kinds of address and when no host key is pinned
 */
export function parseDockerHost(provider: Properties, label: string): string | SshTarget {
  const host = text(provider["host"]);
  if (host.startsWith("unix://")) return host.slice("unix://".length);
  const url = URL.parse(host);
  if (url?.protocol !== "ssh:") {
    throw new UserError(
      `${label}: host: not supported: ${host}`,
      "use ssh://user@address:port, or unix:///path of a socket",
    );
  }
  const options = JSON.parse(text(provider["sshOpts"]) || "[]") as string[];
  const pinned = options.map((option) => /^(?:-o\s*)?KnownHostsCommand=\S+ %H (.+)$/.exec(option)?.[1]);
  const hostKey = pinned.find((key) => key !== undefined);
  if (hostKey === undefined) {
    throw new UserError(
      `${label}: sshOpts: no host key is pinned`,
      'give the option "KnownHostsCommand=/bin/echo %H TYPE KEY" with the VM\'s public host key',
    );
  }
  return {
    address: url.hostname.replace(/^\[|\]$/g, ""),
    user: url.username || "root",
    port: Number(url.port || 22),
    hostKey,
  };
}

function describe(address: string | SshTarget): string {
  return typeof address === "string" ? address : `${address.user}@${address.address}:${address.port}`;
}

function unreachable(where: string, what: string): UserError {
  return new UserError(
    `docker ${where}: the daemon cannot be reached: ${what}`,
    "check that Docker runs there, that the user may use its socket, and that sshd allows AllowStreamLocalForwarding",
    EXIT.unreachable,
  );
}

/** What the daemon said when it refused something. */
export function dockerError(label: string, doing: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  const { json, message } = error as { json?: { message?: string }; message: string };
  return new UserError(
    `${label}: ${doing}: ${json?.message ?? message}`,
    "mend what the Docker daemon complains about, then run the same command again",
  );
}

/** The answer, or undefined when there is no such object. */
export async function ifFound<T>(answer: Promise<T>): Promise<T | undefined> {
  return answer.catch((error: unknown) => {
    if ((error as { statusCode?: number }).statusCode === 404) return undefined;
    throw error;
  });
}
