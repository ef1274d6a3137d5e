import type { Agent, IncomingMessage } from "node:http";
import { Duplex } from "node:stream";
import { UserError } from "../errors.ts";
import { type VaultRequest, type VaultResponse, VaultUnavailable } from "./effects.ts";
import type { Connection } from "./exec.ts";
import { HttpAgent, httpRequest } from "./http.ts";

const TIMEOUT_SECONDS = 30;
const BODY_LIMIT = 1_000_000;

/**
 * HTTP to the VM's 127.0.0.1:8200 through `ssh -W`: no local port that others on this machine could use, and no
 * dependence on Caddy, DNS or certificates. One ssh process serves all requests; `destroy()` ends it.
 *
 * @param open starts `ssh -W 127.0.0.1:8200 …`
 * @param unreachable the error for an ssh that could not reach the VM, from its exit code and complaint
 */
export function sshAgent(open: () => Connection, unreachable: (code: number, stderr: string) => UserError): Agent {
  const agent = new HttpAgent({ keepAlive: true, maxSockets: 1 });
  agent.createConnection = () => {
    const connection = open();
    const socket = new ProcessSocket(connection);
    void connection.ended.then((code) => {
      const stderr = connection.stderr();
      // ssh reached the VM, and nothing listens on Vault's port there.
      if (/stdio forwarding failed|open failed/.test(stderr)) socket.destroy(new VaultUnavailable("nothing answers"));
      else if (code !== 0) socket.destroy(unreachable(code, stderr));
      else socket.push(null);
    });
    return socket;
  };
  return agent;
}

/**
 * Sends one request and reads the whole answer.
 *
 * @throws VaultUnavailable where the connection breaks or no answer comes in time; what the agent's connection throws
 */
export async function sendRequest(agent: Agent, vaultRequest: VaultRequest): Promise<VaultResponse> {
  try {
    return await exchange(agent, vaultRequest);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { code, message, name } = error as NodeJS.ErrnoException;
    const { timeoutSeconds = TIMEOUT_SECONDS } = vaultRequest;
    throw new VaultUnavailable(name === "AbortError" ? `no answer for ${timeoutSeconds} s` : (code ?? message));
  }
}

function exchange(agent: Agent, request: VaultRequest): Promise<VaultResponse> {
  const { method, path, token, body, timeoutSeconds = TIMEOUT_SECONDS } = request;
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const headers: Record<string, string | number> = { "X-Vault-Request": "true" };
  if (token !== undefined) headers["X-Vault-Token"] = token;
  if (payload !== undefined) {
    headers["Content-Type"] = "application/json";
    headers["Content-Length"] = payload.length;
  }
  const signal = AbortSignal.timeout(timeoutSeconds * 1000);
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      { agent, host: "127.0.0.1", port: 8200, method, path: `/v1/${path}`, headers, signal },
      (incoming) => void readAnswer(incoming).then(resolve, reject),
    );
    outgoing.on("error", reject);
    outgoing.end(payload);
  });
}

async function readAnswer(incoming: IncomingMessage): Promise<VaultResponse> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_LIMIT) throw new VaultUnavailable("answer too long");
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString();
  return { status: incoming.statusCode ?? 0, body: parseBody(text) };
}

function parseBody(text: string): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(text === "" ? "{}" : text);
    if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  } catch {
    // falls through to the error below, which does not repeat the text
  }
  throw new VaultUnavailable("the answer is not JSON");
}

/** A process's output and input as the socket that node:http expects. */
class ProcessSocket extends Duplex {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    super();
    this.#connection = connection;
    const { stdout } = connection.child;
    stdout.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) stdout.pause();
    });
  }

  override _read(): void {
    this.#connection.child.stdout.resume();
  }

  // A process that has ended takes nothing more; why it has ended is told by its exit code and not by this.
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#connection.child.stdin.write(chunk, () => done());
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#connection.child.stdin.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#connection.child.kill();
    done(error);
  }

  // node:http tunes sockets; a pipe has nothing to tune.
  setKeepAlive(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}
