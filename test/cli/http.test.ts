import { once } from "node:events";
import { createServer as createPlainServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fetchCertificate } from "../../cli/certificate.ts";
import { createHttp } from "../../cli/http.ts";
import { loginToVault } from "../../cli/vault-client.ts";
import { EXIT } from "../../errors.ts";
import { deriveSecrets } from "../../keys/derive.ts";
import { issueAuthority, issueServer, type Issued } from "./certificates.ts";

const ours = deriveSecrets(Buffer.alloc(32, 1)).ca.rootKeyPem;
const another = deriveSecrets(Buffer.alloc(32, 2)).ca.rootKeyPem;
const servers: Server[] = [];
let authority: Issued;
let stranger: Issued;
let secure: string;

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
const serve = async (answer: Answer) => `127.0.0.1:${await listen(createPlainServer(answer))}`;

beforeAll(async () => {
  authority = await issueAuthority(ours);
  stranger = await issueAuthority(another);
  const { certificate: cert, privateKey: key } = await issueServer(authority, "localhost");
  const server = createTlsServer({ cert, key }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      response.writeHead(418).end(`${request.method} ${request.headers["content-type"]} ${body}`);
    });
  });
  secure = `https://localhost:${await listen(server)}`;
});
afterAll(() => {
  for (const server of servers) server.close();
});

describe("createHttp", () => {
  test("trusts the given CA; any status is an answer", async () => {
    const answer = await createHttp(authority.certificate)("POST", `${secure}/x`, { body: { a: 1 } });
    expect(answer.status).toBe(418);
    expect(answer.body.toString()).toBe('POST application/json {"a":1}');
  });

  test("trusts no other", async () => {
    for (const ca of [stranger.certificate, undefined]) {
      await expect(createHttp(ca)("GET", secure)).rejects.toMatchObject({
        message: `${secure}: its certificate is not signed by the expected CA`,
        hint: "name the right one: --ca FILE",
        exitCode: EXIT.unreachable,
      });
    }
  });

  test("says what keeps a server from answering", async () => {
    await expect(createHttp(undefined)("GET", "http://git.foundation.invalid/")).rejects.toMatchObject({
      message: "http://git.foundation.invalid: the name does not resolve",
      hint: "point git.foundation.invalid at the VM in DNS or in /etc/hosts",
    });
    await expect(createHttp(undefined)("GET", "http://127.0.0.1:1/")).rejects.toMatchObject({
      message: "http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1",
    });
    const silent = await serve(() => undefined);
    await expect(createHttp(undefined)("GET", `http://${silent}/`, { timeoutSeconds: 0.1 })).rejects.toMatchObject({
      message: `http://${silent}: no answer in 0.1 s`,
    });
  });

  test("Ctrl-C ends a request", async () => {
    const interrupt = new AbortController();
    const waiting = createHttp(undefined, interrupt.signal)("GET", `http://${await serve(() => undefined)}/`);
    setTimeout(() => {
      interrupt.abort();
    }, 20);
    await expect(waiting).rejects.toMatchObject({ message: "interrupted", exitCode: EXIT.interrupted });
  });
});

describe("fetchCertificate", () => {
  const http = createHttp(undefined);

  test("accepts a certificate over the derived key, whoever serves it", async () => {
    const home = await serve((_request, response) => response.end(authority.certificate));
    expect(await fetchCertificate(http, { home, rootKeyPem: ours })).toBe(`${authority.certificate}\n`);
  });

  test.each<[string, () => string, string, number]>([
    ["of another CA", () => stranger.certificate, "not the certificate of this foundation's CA", EXIT.refused],
    ["that is none", () => "<!doctype html>", "not a certificate in PEM", EXIT.usage],
  ])("refuses one %s", async (_title, content, what, exitCode) => {
    const home = await serve((_request, response) => response.end(content()));
    await expect(fetchCertificate(http, { home, rootKeyPem: ours })).rejects.toMatchObject({
      message: `http://${home}/ca.crt: ${what}`,
      exitCode,
    });
  });

  test("says that there is none", async () => {
    const home = await serve((_request, response) => response.writeHead(404).end());
    await expect(fetchCertificate(http, { home, rootKeyPem: ours })).rejects.toMatchObject({
      message: `http://${home}/ca.crt: HTTP 404`,
    });
    await expect(fetchCertificate(http, { home, rootKeyPem: ours, file: "/no/such.crt" })).rejects.toMatchObject({
      message: "/no/such.crt: cannot be read (ENOENT)",
      exitCode: EXIT.usage,
    });
  });
});

describe("loginToVault", () => {
  const role = { roleId: "r", secretId: "s3cr3t" };

  test.each<[number, string, string, number]>([
    [503, '{"errors":["Vault is sealed"]}', "Vault is sealed", EXIT.attention],
    [
      400,
      '{"errors":["invalid role or secret ID"]}',
      "Vault refuses the login: invalid role or secret ID",
      EXIT.failed,
    ],
    [502, "", "Vault refuses the login: HTTP 502", EXIT.failed],
  ])("HTTP %i", async (status, body, what, exitCode) => {
    const address = `http://${await serve((_request, response) => response.writeHead(status).end(body))}`;
    const error: unknown = await loginToVault(createHttp(undefined), address, role).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ message: `${address}: ${what}`, exitCode });
    expect(JSON.stringify(error)).not.toContain(role.secretId);
  });
});
