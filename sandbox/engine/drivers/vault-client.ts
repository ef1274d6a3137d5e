import { setTimeout as sleep } from "node:timers/promises";
import { EXIT, UserError } from "../../../errors.ts";
import { text, type DriverContext } from "../driver.ts";
import type { Properties } from "../values.ts";

interface Login {
  readonly path: string;
  readonly parameters: Readonly<Record<string, string>>;
}

interface Answer {
  readonly status: number;
  readonly body: Properties;
}

/** Vault just started: it elects itself, upgrades a new KV store, or the tunnel is not yet up. */
const ATTEMPTS = 15;
const RETRY_MILLISECONDS = 500;
const REQUEST_TIMEOUT_MILLISECONDS = 30_000;

/** What Vault refused, with its status, for drivers that know better what it means. */
export class VaultError extends UserError {
  readonly status: number;
  readonly answers: string;

  constructor(where: string, method: string, path: string, status: number, answers: string) {
    const hint =
      status === 403
        ? "the provider's AppRole lacks this right; run `foundation unseal` to bring its policy up to date"
        : "mend what Vault complains about, then run the same command again";
    super(`${where}: ${method} ${path}: ${status}: ${answers}`, hint);
    this.status = status;
    this.answers = answers;
  }
}

/** Vault's HTTP API as one AppRole, which logs in when something is first asked of it. */
export class VaultClient {
  readonly #address: string;
  readonly #login: Login;
  #token: Promise<string> | undefined;

  constructor(address: string, login: Login) {
    this.#address = address.replace(/\/$/, "");
    this.#login = login;
  }

  /** The answer's `data`; undefined where there is nothing at the path. */
  async read(path: string): Promise<Properties | undefined> {
    const { status, body } = await this.#send("GET", path, undefined, [404]);
    return status === 404 ? undefined : dataOf(body);
  }

  /** @throws VaultError, which does not quote what was sent */
  async write(path: string, body: Properties, method: "POST" | "PUT" = "POST"): Promise<Properties> {
    return dataOf((await this.#send(method, path, body)).body);
  }

  /** Content when there was nothing to delete. */
  async remove(path: string): Promise<void> {
    await this.#send("DELETE", path, undefined, [404]);
  }

  async #send(method: string, path: string, body?: Properties, accepted: readonly number[] = []): Promise<Answer> {
    this.#token ??= this.#logIn();
    const token = await this.#token.catch((error: unknown) => {
      this.#token = undefined;
      throw error;
    });
    return this.#retry(method, path, body, token, accepted);
  }

  async #logIn(): Promise<string> {
    const { path, parameters } = this.#login;
    const { body } = await this.#retry("POST", path, { ...parameters }, undefined, []);
    return text((body["auth"] as Properties | undefined)?.["client_token"]);
  }

  async #retry(
    method: string,
    path: string,
    body: Properties | undefined,
    token: string | undefined,
    accepted: readonly number[],
  ): Promise<Answer> {
    const where = `vault ${this.#address}`;
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#request(method, path, body, token).catch((error: unknown) => error as Error);
      const last = attempt === ATTEMPTS;
      if (answer instanceof Error) {
        if (last) throw unreachable(where, answer);
      } else if (answer.status < 300 || accepted.includes(answer.status)) return answer;
      else {
        const answers = messages(answer.body);
        throwIfClosed(where, answers);
        if (last || !isPassing(answer.status, answers))
          throw new VaultError(where, method, path, answer.status, answers);
      }
      await sleep(RETRY_MILLISECONDS);
    }
  }

  async #request(
    method: string,
    path: string,
    body: Properties | undefined,
    token: string | undefined,
  ): Promise<Answer> {
    const response = await fetch(`${this.#address}/v1/${path}`, {
      method,
      headers: { "X-Vault-Request": "true", ...(token ? { "X-Vault-Token": token } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MILLISECONDS),
    });
    const content = await response.text();
    return { status: response.status, body: content === "" ? {} : (JSON.parse(content) as Properties) };
  }
}

/** One client for each provider configuration. */
export class VaultClients {
  readonly #clients = new Map<string, VaultClient>();

  /** @throws UserError where the provider is configured in a way that this engine does not know */
  get({ provider = {}, label }: DriverContext): VaultClient {
    const key = JSON.stringify([provider["address"], provider["authLogin"]]);
    const known = this.#clients.get(key);
    if (known) return known;
    const login = JSON.parse(text(provider["authLogin"]) || "{}") as Partial<Login>;
    if (!login.path || !login.parameters) {
      throw new UserError(
        `${label}: the vault provider has no authLogin`,
        "give it authLogin with path and parameters",
      );
    }
    const client = new VaultClient(text(provider["address"]), { path: login.path, parameters: login.parameters });
    this.#clients.set(key, client);
    return client;
  }
}

/** Answers are wrapped in `data`, except those of some older endpoints. */
function dataOf(body: Properties): Properties {
  return (body["data"] ?? body) as Properties;
}

function messages(body: Properties): string {
  const errors = body["errors"];
  return Array.isArray(errors) && errors.length > 0 ? errors.map(text).join("; ").trim() : "no reason given";
}

function isPassing(status: number, answers: string): boolean {
  return status === 412 || status >= 500 || answers.includes("Upgrading from non-versioned");
}

function throwIfClosed(where: string, answers: string): void {
  if (answers.includes("Vault is sealed")) {
    throw new UserError(`${where}: sealed`, "unseal it: foundation unseal", EXIT.attention);
  }
  if (answers.includes("not initialized")) {
    throw new UserError(`${where}: not initialised`, "initialise it: foundation unseal", EXIT.uninitialised);
  }
}

function unreachable(where: string, error: Error): UserError {
  const { cause } = error;
  const reason = cause instanceof Error && cause.message !== "" ? cause.message : error.message;
  return new UserError(
    `${where}: cannot be reached: ${reason}`,
    "check that the container vault runs; the program opens the tunnel to it over SSH",
    EXIT.unreachable,
  );
}
