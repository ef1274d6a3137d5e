import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer as createPlainServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { issueAuthority, issueServer } from "../certificates.ts";

// Vault, the forge's API and git over HTTPS as one server. The API keeps what it is given; git is the real one.

const PASSWORD = "password-of-the-forge";
const TOKEN = "0123456789abcdef0123456789abcdef01234567";

interface FakeRepository {
  description: string;
  topics: string[];
  branch_protections: Record<string, Record<string, unknown>>;
  tag_protections: Record<string, unknown>[];
  keys: Record<string, unknown>[];
}

export interface FakeForge {
  /** `localhost:PORT` of TLS, and of plain HTTP for the CA's certificate */
  readonly site: string;
  readonly home: string;
  /** by `organisation/name` */
  readonly repositories: Map<string, FakeRepository>;
  /** `METHOD path` below /api/v1 of each request */
  readonly requests: string[];
  /** what is in no argv, no configuration and no output */
  readonly secrets: readonly string[];
  /** names of tokens that are good at the moment */
  readonly tokens: Set<string>;
  /** as long as it is set, Vault is sealed */
  isSealed: boolean;
  /** fields of a branch protection that this forge has never heard of */
  unknownFields: readonly string[];
  close(): void;
}

/** @param directory that the bare repositories are made in: ORGANISATION/NAME.git */
export async function startFakeForge(directory: string, rootKeyPem: string): Promise<FakeForge> {
  const authority = await issueAuthority(rootKeyPem);
  const { certificate: cert, privateKey: key } = await issueServer(authority, "localhost");
  const forge = {
    repositories: new Map<string, FakeRepository>(),
    requests: [] as string[],
    secrets: [PASSWORD, TOKEN],
    tokens: new Set<string>(),
    isSealed: false,
    unknownFields: [] as readonly string[],
  };
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      const url = new URL(request.url ?? "/", "https://localhost");
      if (url.pathname.startsWith("/v1/")) answerAsVault(forge.isSealed, url.pathname, response);
      else if (!url.pathname.startsWith("/api/v1/")) serveGit(directory, url, request, body, response);
      else answerAsForge(directory, forge, url.pathname.slice("/api/v1".length), request, body.toString(), response);
    });
  };
  const secure = createTlsServer({ cert, key }, answer).listen(0, "127.0.0.1");
  const plain = createPlainServer((_, response) => response.end(authority.certificate)).listen(0, "127.0.0.1");
  await Promise.all([once(secure, "listening"), once(plain, "listening")]);
  const port = (server: typeof plain) => String((server.address() as AddressInfo).port);
  return Object.assign(forge, {
    site: `localhost:${port(secure)}`,
    home: `localhost:${port(plain)}`,
    close: () => {
      for (const server of [secure, plain]) {
        server.close();
        server.closeAllConnections();
      }
    },
  });
}

function reply(response: ServerResponse, status: number, body?: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(body === undefined ? "" : JSON.stringify(body));
}

function answerAsVault(isSealed: boolean, path: string, response: ServerResponse): void {
  if (isSealed) reply(response, 503, { errors: ["Vault is sealed"] });
  else if (path === "/v1/auth/approle/login") reply(response, 200, { auth: { client_token: "s.token" } });
  else if (path === "/v1/foundation/data/forgejo/admin")
    reply(response, 200, { data: { data: { username: "operator", password: PASSWORD } } });
  else reply(response, 204);
}

type State = Pick<FakeForge, "repositories" | "requests" | "tokens" | "unknownFields">;

function answerAsForge(
  directory: string,
  forge: State,
  path: string,
  request: IncomingMessage,
  text: string,
  response: ServerResponse,
): void {
  const method = request.method ?? "";
  forge.requests.push(`${method} ${path.replace(/(?<=repository-)[0-9a-f]{8}/, "ID")}`);
  const body = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
  const basic = `Basic ${Buffer.from(`operator:${PASSWORD}`).toString("base64")}`;
  if (path.startsWith("/users/operator/tokens")) {
    if (request.headers.authorization !== basic) return reply(response, 401, { message: "Unauthorized" });
    if (method === "POST") forge.tokens.add(String(body["name"]));
    else forge.tokens.delete(path.split("/").at(-1) ?? "");
    return method === "POST" ? reply(response, 201, { sha1: TOKEN }) : reply(response, 204);
  }
  if (request.headers.authorization !== `token ${TOKEN}`) return reply(response, 401, { message: "Unauthorized" });
  const [, kind, owner = "", name = "", part, id] = path.split("/");
  if (kind === "orgs") {
    const full = `${owner}/${String(body["name"])}`;
    execFileSync("git", ["init", "--quiet", "--bare", "--initial-branch=main", join(directory, `${full}.git`)]);
    const { description } = body as { description: string };
    forge.repositories.set(full, { description, topics: [], branch_protections: {}, tag_protections: [], keys: [] });
    return reply(response, 201, {});
  }
  const repository = forge.repositories.get(`${owner}/${name}`);
  if (repository === undefined) return reply(response, 404, { message: "not found" });
  const known = Object.fromEntries(Object.entries(body).filter(([field]) => !forge.unknownFields.includes(field)));
  if (method !== "GET") {
    change(repository, method, part, id, known);
    return reply(response, method === "POST" ? 201 : 200, {});
  }
  const found = part === undefined ? repository : read(repository, part, id);
  return found === undefined ? reply(response, 404, { message: "not found" }) : reply(response, 200, found);
}

function read(repository: FakeRepository, part: string, id?: string): unknown {
  if (part === "topics") return { topics: repository.topics };
  if (part === "branch_protections") return repository.branch_protections[id ?? ""];
  return part === "keys" ? repository.keys : repository.tag_protections;
}

function change(
  repository: FakeRepository,
  method: string,
  part: string | undefined,
  id: string | undefined,
  body: Record<string, unknown>,
): void {
  if (part === undefined) Object.assign(repository, body);
  else if (part === "topics") repository.topics = body["topics"] as string[];
  else if (part === "branch_protections") {
    const rule = id ?? String(body["rule_name"]);
    repository.branch_protections[rule] = { ...repository.branch_protections[rule], ...body };
  } else {
    const list = part === "keys" ? repository.keys : repository.tag_protections;
    const at = list.findIndex((item) => String(item["id"]) === id);
    if (method === "POST") list.push({ id: list.length + 1, ...body });
    else if (method === "DELETE") list.splice(at, 1);
    else Object.assign(list[at] ?? {}, body);
  }
}

function serveGit(directory: string, url: URL, request: IncomingMessage, body: Buffer, response: ServerResponse): void {
  const login = Buffer.from(request.headers.authorization?.replace(/^Basic /, "") ?? "", "base64").toString();
  if (login !== `operator:${TOKEN}`) {
    response.writeHead(401, { "www-authenticate": 'Basic realm="forge"' }).end();
    return;
  }
  const backend = spawn("git", ["http-backend"], {
    env: {
      PATH: process.env["PATH"],
      GIT_PROJECT_ROOT: directory,
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers["content-type"],
      CONTENT_LENGTH: String(body.length),
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"],
      HTTP_GIT_PROTOCOL: request.headers["git-protocol"] as string | undefined,
      REMOTE_USER: "operator",
    },
  });
  const chunks: Buffer[] = [];
  backend.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  backend.on("close", () => {
    const answer = Buffer.concat(chunks);
    const end = answer.indexOf("\r\n\r\n");
    const headers = answer.subarray(0, end).toString().split("\r\n");
    const fields = Object.fromEntries(headers.map((line) => line.split(": ", 2) as [string, string]));
    const { Status: status = "200", ...rest } = fields;
    response.writeHead(parseInt(status), rest).end(answer.subarray(end + 4));
  });
  // It may end before it has read all of a request that it refuses.
  backend.stdin.on("error", () => undefined).end(body);
}
