import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { httpRequest } from "../../backup/http.ts";
import { objectStore } from "../../backup/object-store.ts";

/** As much of S3 as the job uses: two pages of a listing, objects, one that breaks off, one that is gone. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", "http://x");
  seen.push(`${request.method ?? ""} ${url.pathname}${url.search}`);
  if (url.searchParams.has("list-type")) {
    const second = url.searchParams.get("continuation-token") === "next";
    const more = second
      ? "<IsTruncated>false</IsTruncated>"
      : "<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>";
    const key = second ? "b/ü" : "a";
    const contents = `<Contents><Key>${key}</Key><Size>3</Size><ETag>&quot;tag-${second ? "2" : "1"}&quot;</ETag></Contents>`;
    response.end(`<ListBucketResult>${more}${contents}</ListBucketResult>`);
  } else if (url.pathname.endsWith("/gone")) {
    response.writeHead(404).end("<Error><Code>NoSuchKey</Code></Error>");
  } else if (url.pathname.endsWith("/broken")) {
    response.writeHead(200, { "content-length": "10" }).write("four");
    setTimeout(() => response.destroy(), 20);
  } else if (url.pathname.endsWith("/once-wrong") && url.search === "") {
    response.writeHead(500).end();
  } else if (request.method === "PUT") {
    request.on("data", (chunk: Buffer) => (put += chunk.toString())).on("end", () => response.end());
  } else {
    response.end("one");
  }
}

const directory = mkdtempSync(join(tmpdir(), "foundation-s3-"));
const seen: string[] = [];
let put = "";
let server: Server;
let endpoint: string;
beforeAll(async () => {
  server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  endpoint = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
});
afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});
const store = () => objectStore({ endpoint, region: "us-east-1", accessKeyId: "a", secretAccessKey: "s" });

test("lists all pages, path-style", async () => {
  const found = [];
  for await (const object of store().list("forgejo")) found.push(object);
  expect(found).toEqual([
    { key: "a", bytes: 3, tag: '"tag-1"' },
    { key: "b/ü", bytes: 3, tag: '"tag-2"' },
  ]);
  expect(seen.every((line) => line.startsWith("GET /forgejo"))).toBe(true);
});

test("downloads into a new file; what is gone is no error", async () => {
  const path = join(directory, "one");
  expect(await store().download("forgejo", "b/ü", path)).toBe(true);
  expect(readFileSync(path, "utf8")).toBe("one");
  expect(await store().download("forgejo", "gone", join(directory, "gone"))).toBe(false);
  expect(existsSync(join(directory, "gone"))).toBe(false);
  await expect(store().download("forgejo", "a", path)).rejects.toThrow("EEXIST");
});

test("an answer that breaks off is an error", async () => {
  await expect(store().download("forgejo", "broken", join(directory, "broken"))).rejects.toThrow();
});

describe("a small object", () => {
  const requests = async (key: string, path: string): Promise<[unknown, string[]]> => {
    seen.length = 0;
    const result = await store()
      .download("forgejo", key, join(directory, path), 3)
      .catch((error: unknown) => (error as Error).name);
    return [result, [...seen]];
  };

  test("is fetched by one request, under its name as S3 escapes it", async () => {
    expect(await requests("b/ü (1)", "small")).toEqual([true, ["GET /forgejo/b/%C3%BC%20%281%29"]]);
    expect(readFileSync(join(directory, "small"), "utf8")).toBe("one");
  });

  test("is asked for once more where the answer is not the object, and then as any other", async () => {
    expect(await requests("gone", "small-gone")).toEqual([
      false,
      ["GET /forgejo/gone", "GET /forgejo/gone?x-id=GetObject"],
    ]);
    expect(await requests("once-wrong", "small-wrong")).toEqual([
      true,
      ["GET /forgejo/once-wrong", "GET /forgejo/once-wrong?x-id=GetObject"],
    ]);
    expect(readFileSync(join(directory, "small-wrong"), "utf8")).toBe("one");
    const [result, [first]] = await requests("broken", "small-broken");
    expect([result === true, first]).toEqual([false, "GET /forgejo/broken"]);
  });

  test("never replaces a file", async () => {
    expect(await requests("a", "small")).toEqual(["Error", ["GET /forgejo/a"]]);
  });
});

test("puts a text", async () => {
  await store().put("forgejo", "foundation/backup-canary", "run");
  expect(put).toBe("run");
});

test("a plain request: status and body, a body into a file, a bound on time", async () => {
  expect(await httpRequest({ method: "GET", url: `${endpoint}/x`, timeoutSeconds: 5 })).toEqual({
    status: 200,
    body: "one",
  });
  const into = join(directory, "body");
  expect(await httpRequest({ method: "GET", url: `${endpoint}/x`, timeoutSeconds: 5, into })).toEqual({
    status: 200,
    body: "",
  });
  expect(readFileSync(into, "utf8")).toBe("one");
  const silent = createServer(() => undefined).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const url = `http://127.0.0.1:${String((silent.address() as AddressInfo).port)}/`;
  await expect(httpRequest({ method: "GET", url, timeoutSeconds: 0.2 })).rejects.toThrow("no answer in 0.2 s");
  silent.closeAllConnections();
  silent.close();
});
