import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, it } from "vitest";
import { postComment, readPullRequest, type PullRequest } from "../../../cli/review/comment.ts";
import { EXIT } from "../../../errors.ts";
import { MARKER } from "../../../review/markdown.ts";

interface Comment {
  id: number;
  readonly user: { readonly id: number; readonly login: string };
  body: string;
}

const BOT = { id: -2, login: "bot" };
const ADA = { id: 7, login: "ada" };

/** The calls of the forge's API, by a real server: whoever holds the token is `bot` and, as in the forge, may change all. */
let server: Server;
let comments: Comment[];
let requests: string[];
/** status of every answer to a writing request, where it is not the usual one */
let refusal: number | undefined;
/** of a forge that does not say who asks, and lets everybody change its own */
let isTaciturn: boolean;

beforeEach(async () => {
  [comments, requests, refusal, isTaciturn] = [[], [], undefined, false];
  server = createServer((request, response) => {
    void text(request).then((body) => {
      requests.push(`${request.method ?? ""} ${request.url ?? ""}`);
      const answer = (status: number, value?: unknown): void => {
        response.writeHead(status).end(value === undefined ? "" : JSON.stringify(value));
      };
      if (request.headers.authorization !== "token t0ken") return answer(401, { message: "token is required" });
      if (refusal !== undefined && request.method !== "GET") return answer(refusal, { message: "no" });
      if (request.url === "/api/v1/user") return isTaciturn ? answer(403) : answer(200, BOT);
      const [, id] = /\/issues\/comments\/(\d+)$/.exec(request.url ?? "") ?? [];
      const found = comments.find((comment) => comment.id === Number(id));
      const written = body === "" ? "" : (JSON.parse(body) as { body: string }).body;
      if (id !== undefined && isTaciturn && found?.user !== BOT) return answer(403, { message: "not yours" });
      switch (request.method) {
        case "GET":
          return answer(200, comments);
        case "POST":
          comments.push({ id: comments.length + 1, user: BOT, body: written });
          return answer(201, comments.at(-1));
        case "PATCH":
          (found as Comment).body = written;
          return answer(200, found);
        default:
          comments = comments.filter((comment) => comment !== found);
          return answer(204);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(() => void server.close());

const pullRequest = (token = "t0ken"): PullRequest => ({
  api: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/api/v1`,
  repository: "platform/foundation",
  number: 7,
  token,
});
const shell = { interrupted: new AbortController().signal } as Parameters<typeof postComment>[0];
const post = (body: string, token?: string): Promise<string> => postComment(shell, pullRequest(token), MARKER + body);

it("leaves one comment, and changes it the next time", async () => {
  comments = [{ id: 1, user: ADA, body: "Looks good." }];
  expect(await post("first")).toBe("review: commented on pull request 7");
  expect(await post("second")).toBe("review: changed the comment on pull request 7");
  expect(comments).toEqual([
    { id: 1, user: ADA, body: "Looks good." },
    { id: 2, user: BOT, body: `${MARKER}second` },
  ]);
  expect(requests.filter((request) => request !== "GET /api/v1/user")).toEqual([
    "GET /api/v1/repos/platform/foundation/issues/7/comments",
    "POST /api/v1/repos/platform/foundation/issues/7/comments",
    "GET /api/v1/repos/platform/foundation/issues/7/comments",
    "PATCH /api/v1/repos/platform/foundation/issues/comments/2",
  ]);
});

it("of several, as two runs at the same time leave them, keeps one", async () => {
  comments = [1, 2, 3].map((id) => ({ id, user: BOT, body: `${MARKER}old` }));
  await post("new");
  expect(comments).toEqual([{ id: 1, user: BOT, body: `${MARKER}new` }]);
});

it.each([
  ["may be changed", false],
  ["may not be changed, and the forge does not tell who asks", true],
])("what somebody else began with the same marker is not taken for it: it %s", async (_, taciturn) => {
  isTaciturn = taciturn;
  comments = [{ id: 1, user: ADA, body: `${MARKER}all is well` }];
  expect(await post("not so")).toBe("review: commented on pull request 7");
  expect(await post("not so")).toBe("review: changed the comment on pull request 7");
  expect(comments.map(({ user, body }) => [user.login, body])).toEqual([
    ["ada", `${MARKER}all is well`],
    ["bot", `${MARKER}not so`],
  ]);
});

it("a token that may not write is told of, and is no error", async () => {
  refusal = 403;
  expect(await post("text")).toBe(
    "warning: review: pull request 7 of platform/foundation: it cannot be commented on: HTTP 403\n" +
      "hint: the token may not; the report is above",
  );
  expect(await post("text", "another")).toBe(
    "warning: review: pull request 7 of platform/foundation: its comments cannot be read: HTTP 401\n" +
      "hint: the token may not; the report is above",
  );
});

it("a forge that fails is an error", async () => {
  refusal = 500;
  await expect(post("text")).rejects.toMatchObject({
    message: "review: pull request 7 of platform/foundation: it cannot be commented on: HTTP 500",
    hint: '{"message":"no"}',
    exitCode: EXIT.unreachable,
  });
});

it("a forge that is not there is an error", async () => {
  const { api } = pullRequest();
  await new Promise((resolve) => server.close(resolve));
  await expect(postComment(shell, { ...pullRequestAt(api) }, MARKER)).rejects.toMatchObject({
    exitCode: EXIT.unreachable,
  });
});

const pullRequestAt = (api: string): PullRequest => ({ api, repository: "a/b", number: 1, token: "t" });

it("the pull request is found in the environment of a job", () => {
  const directory = mkdtempSync(join(tmpdir(), "event-"));
  const path = join(directory, "event.json");
  writeFileSync(path, JSON.stringify({ pull_request: { number: 12 } }));
  const environment = { GITHUB_EVENT_PATH: path, GITHUB_REPOSITORY: "platform/foundation", GITHUB_TOKEN: "t0ken" };
  const expected = { repository: "platform/foundation", number: 12, token: "t0ken" };
  expect(readPullRequest({ ...environment, GITHUB_API_URL: "https://git.example.org/api/v1/" })).toEqual({
    ...expected,
    api: "https://git.example.org/api/v1",
  });
  expect(readPullRequest({ ...environment, GITHUB_SERVER_URL: "https://git.example.org" })).toEqual({
    ...expected,
    api: "https://git.example.org/api/v1",
  });
  const refused = (given: Record<string, string>) => () => readPullRequest(given);
  expect(refused({})).toThrow("review: --post: GITHUB_EVENT_PATH is not set");
  expect(refused({ ...environment, GITHUB_SERVER_URL: "x", GITHUB_TOKEN: "" })).toThrow(
    "review: --post: GITHUB_TOKEN is not set",
  );
  writeFileSync(path, "{}");
  expect(refused(environment)).toThrow("review: --post: not for a pull request");
  rmSync(directory, { recursive: true });
});
