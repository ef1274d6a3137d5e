import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Status } from "../../cli/repository/format.ts";
import { writeHttpsLogin } from "../../cli/git-login.ts";
import type { VerifyContext } from "../../cli/verify/context.ts";
import { openVerifyContext } from "./context.ts";
import { isWholeClone, repositoryStatus } from "./own-repository.ts";
import { type Ended, must, paths, readConfig, run, sandbox, writeConfig } from "./rig.ts";

// The program from a clone of its own, and somebody in the organisation who may write but is not the administrator.

const NAME = "own-e2e";
const PATH = `/repos/platform/${NAME}`;
const MEMBER = { username: "repository-member", password: "correct-horse-battery-1" };

interface Login {
  readonly username: string;
  readonly password: string;
}

let directory: string;
let project: string;
let context: VerifyContext;
let team: number;
const at = (name: string): string => join(directory, name);

beforeAll(async () => {
  const { code, stderr } = await sandbox(["up", "--no-verify"]);
  expect(code, stderr).toBe(0);
  ({ context } = await openVerifyContext());
  directory = mkdtempSync(join(tmpdir(), "foundation-repository-e2e-"));
  project = at("project");
  const own = ["node_modules", ".git", ".cache", ".state"].map((name) => join(paths.project, name));
  cpSync(paths.project, project, { recursive: true, filter: (source) => !own.includes(source) });
  symlinkSync(join(paths.project, "node_modules"), join(project, "node_modules"));
  await git("init", "--quiet", "--initial-branch=main");
  writeFileSync(join(project, ".git", "info", "exclude"), "node_modules\n");
  await commit("first");
  for (const name of ["deploy", "member"])
    await must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", at(name)]);
  configure({ repository: NAME });
  await removeTraces();
  await api("POST", "/admin/users", {
    ...MEMBER,
    ...{ email: "member@foundation.test", must_change_password: false },
  });
  await api("POST", `/admin/users/${MEMBER.username}/keys`, { title: "member", key: publicKey("member") });
  const body = { name: "repository-e2e", permission: "write", includes_all_repositories: true };
  team = ((await api("POST", "/orgs/platform/teams", { ...body, units: UNITS })) as { id: number }).id;
  await api("PUT", `/teams/${String(team)}/members/${MEMBER.username}`);
});
afterAll(async () => {
  await removeTraces();
  rmSync(directory, { recursive: true, force: true });
});

const UNITS = ["repo.code", "repo.pulls"];

async function removeTraces(): Promise<void> {
  const teams = (await api("GET", "/orgs/platform/teams")) as { id: number; name: string }[];
  for (const { id, name } of teams) if (name === "repository-e2e") await api("DELETE", `/teams/${String(id)}`);
  for (const path of [PATH, `/admin/users/${MEMBER.username}?purge=true`]) await api("DELETE", path);
}

/** The forge's API with a password. @returns what it answered, or its status where that is no success */
async function api(method: string, path: string, body?: object, login: Login = context.forge): Promise<unknown> {
  const credentials = Buffer.from(`${login.username}:${login.password}`).toString("base64");
  const headers = { authorization: `Basic ${credentials}` };
  const answer = await context.http(method, `https://${context.sites.git}/api/v1${path}`, { headers, body });
  if (answer.status >= 300) return answer.status;
  return answer.body.length === 0 ? undefined : JSON.parse(answer.body.toString());
}

const publicKey = (name: string): string => readFileSync(at(`${name}.pub`), "utf8").trim();

function configure(forge: object): void {
  const config = readConfig();
  writeConfig(at("Pulumi.sandbox.yaml"), {
    ...config,
    "foundation:forge": { ...(config["foundation:forge"] as object), ...forge },
  });
}

function git(...args: string[]): Promise<string> {
  return must(["git", "-C", project, "-c", "user.name=a", "-c", "user.email=a@example.org", ...args]);
}

async function commit(name: string): Promise<string> {
  writeFileSync(join(project, name), `${name}\n`);
  await git("add", ".");
  await git("commit", "--quiet", `--message=${name}`);
  return git("rev-parse", "HEAD");
}

/** `foundation repository …` of the clone. */
function repository(command: string, ...args: string[]): Promise<Ended> {
  const stack = ["--stack", "sandbox", "--config-file", at("Pulumi.sandbox.yaml")];
  return run([process.execPath, join(project, "cli", "main.ts"), "repository", command, ...stack, ...args]);
}

const mainThere = async () => ((await api("GET", `${PATH}/branches/main`)) as { commit: { id: string } }).commit.id;

const url = () => `https://${context.sites.git}/platform/${NAME}.git`;

/** git in the clone over HTTPS with a password. */
async function gitAs(login: Login, ...args: string[]): Promise<Ended> {
  const scratch = at(`login-${login.username}`);
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  const environment = await writeHttpsLogin(scratch, { ...login, token: login.password, ca: context.ca });
  return run(["git", "-C", project, ...args], { environment });
}

/** git in the clone over SSH with a key, believing no host key but the one that the clone was given. */
async function gitWithKey(name: string, ...args: string[]): Promise<Ended> {
  const command = await git("config", "--get", "core.sshCommand");
  const own = `-F /dev/null -i ${at(name)} -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes`;
  const environment = { GIT_SSH_COMMAND: `${command} ${own} -o UserKnownHostsFile=/dev/null`, SSH_AUTH_SOCK: "" };
  return run(["git", "-C", project, ...args], { environment });
}

test("sandbox up has left the commit in the forge", async () => {
  if (!(await isWholeClone())) return;
  const status = await repositoryStatus();
  expect(status.deployed?.commit).toBe(await must(["git", "-C", paths.project, "rev-parse", "HEAD"]));
  expect(status.toDo).toEqual([]);
});

describe("from a clone", () => {
  test("the first push makes, protects and records; the remote works over SSH without a question", async () => {
    const head = await git("rev-parse", "HEAD");
    const { code, stdout, stderr } = await repository("push", "--json");
    expect(code, stderr).toBe(0);
    const { done, ...status } = JSON.parse(stdout) as Status & { done: string[] };
    expect(done).toEqual([
      `create platform/${NAME}`,
      expect.stringMatching(/^begin main with .{8}, record .{8} as deployed\/sandbox\/\d{8}T\d{6}Z$/),
      "set its topics",
      "protect main",
      "protect the tags deployed/**",
      "add the remote foundation",
    ]);
    expect(status).toMatchObject({ commit: head, main: head, relation: { kind: "same" }, toDo: [], notices: [] });
    expect(await api("GET", PATH)).toMatchObject({ private: true, default_branch: "main" });

    const fetched = await gitWithKey("member", "fetch", "foundation");
    expect(fetched.code, fetched.stderr).toBe(0);
    expect(await git("rev-parse", "foundation/main")).toBe(head);
  });

  test("again, it does nothing", async () => {
    const started = performance.now();
    const { code, stdout, stderr } = await repository("push");
    console.log(`repository push without anything to do: ${((performance.now() - started) / 1000).toFixed(1)} s`);
    const head = await git("rev-parse", "--short=8", "HEAD");
    expect([code, stdout, stderr]).toEqual([0, `platform/${NAME} has ${head} on main\n`, ""]);
    const status = await repository("status");
    expect([status.code, status.stdout]).toEqual([0, expect.stringContaining(`main        ${head}, the same\n`)]);
  });

  test("a commit that was made meanwhile goes to main past the protection", async () => {
    const second = await commit("second");
    expect((await repository("status")).code).toBe(2);
    const { code, stderr } = await repository("push");
    expect(code, stderr).toBe(0);
    expect(await mainThere()).toBe(second);
  });

  test("the deploy key reads and does not write", async () => {
    configure({ repository: NAME, deployKey: publicKey("deploy") });
    const { code, stderr } = await repository("push");
    expect([code, stderr]).toEqual([0, "repository: let the deploy key read it\n"]);
    expect((await gitWithKey("deploy", "ls-remote", "foundation", "main")).code).toBe(0);
    const written = await gitWithKey("deploy", "push", "foundation", "HEAD:refs/heads/by-key");
    expect([written.code, written.stderr]).toEqual([128, expect.stringMatching(/not (allowed|authorized)|denied/i)]);
    configure({ repository: NAME });
    expect((await repository("push")).stderr).toBe("repository: take back the deploy key\n");
    expect((await gitWithKey("deploy", "ls-remote", "foundation", "main")).code).not.toBe(0);
  });
});

describe("main, for somebody who may write", () => {
  const refused = /not allowed to push to protected branch main|branch main is protected from force push/i;

  test("takes neither a push nor a forced one, from the administrator no forced one", async () => {
    const before = await mainThere();
    const pushes: [Login, string][] = [
      [MEMBER, "HEAD:refs/heads/main"],
      [MEMBER, "+HEAD~2:refs/heads/main"],
      [context.forge, "+HEAD~2:refs/heads/main"],
      [MEMBER, ":refs/heads/main"],
    ];
    await git("commit", "--quiet", "--allow-empty", "--message=third");
    for (const [login, refspec] of pushes) {
      const { code, stderr } = await gitAs(login, "push", url(), refspec);
      expect([refspec, code, stderr]).toEqual([
        refspec,
        1,
        expect.stringMatching(refspec.startsWith(":") ? /cannot be deleted|protected from deletion/ : refused),
      ]);
    }
    expect(await mainThere()).toBe(before);
    await git("reset", "--quiet", "--hard", "HEAD~1");
  });

  test("takes no claim about what was deployed", async () => {
    const { code, stderr } = await gitAs(MEMBER, "push", url(), "HEAD:refs/tags/deployed/sandbox/29990101T000000Z");
    expect([code, stderr]).toEqual([1, expect.stringMatching(/Tag deployed\/sandbox\/29990101T000000Z is protected/)]);
  });

  test("takes no pull request without review and check", async () => {
    await git("checkout", "--quiet", "-b", "try");
    await commit("third");
    const pushed = await gitAs(MEMBER, "push", url(), "try");
    expect(pushed.code, pushed.stderr).toBe(0);
    await git("checkout", "--quiet", "main");
    const request = { title: "third", head: "try", base: "main" };
    const { number } = (await api("POST", `${PATH}/pulls`, request, MEMBER)) as {
      number: number;
    };
    const merge = () => api("POST", `${PATH}/pulls/${String(number)}/merge`, { Do: "merge" }, MEMBER);
    expect(await merge()).toBe(405);
    expect(await api("POST", `${PATH}/pulls/${String(number)}/reviews`, { event: "APPROVED" })).toMatchObject({
      state: "APPROVED",
    });
    expect(await merge()).toBe(405);
    const head = await git("rev-parse", "try");
    const check = { context: "review / review (pull_request)", state: "success" };
    await api("POST", `${PATH}/statuses/${head}`, check);
    expect(await merge()).toBeUndefined();
    // It came through a pull request, so the deployment of it has nothing to push.
    await gitWithKey("member", "pull", "--quiet", "--ff-only", "foundation", "main");
    const merged = await git("rev-parse", "HEAD");
    const { code, stderr } = await repository("push");
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/^repository: record .{8} as deployed\/sandbox\/\d{8}T\d{6}Z\n$/),
    ]);
    expect(await mainThere()).toBe(merged);
  });
});

describe("what the forge has and the clone lacks", () => {
  test("is reported and not overwritten", async () => {
    const content = Buffer.from("theirs\n").toString("base64");
    await api("POST", `${PATH}/contents/theirs`, { content, message: "theirs", branch: "main" });
    const theirs = await mainThere();
    const behind = await repository("push");
    expect([behind.code, behind.stderr]).toEqual([
      0,
      expect.stringMatching(/^repository: main is 1 commit further than .{8}\n$/),
    ]);
    const ours = await commit("ours");
    const { code, stderr } = await repository("push");
    expect([code, stderr]).toEqual([
      8,
      expect.stringMatching(
        /^repository: record .*\nerror: repository: main on git\.foundation\.test and the deployed .{8} have diverged: 1 commit only there, 1 commit only here; nothing was overwritten\nhint: bring them together and deploy that: git fetch foundation && git rebase foundation\/main\n$/,
      ),
    ]);
    expect(await mainThere()).toBe(theirs);
    const tags = (await api("GET", `${PATH}/tags`)) as { commit: { sha: string } }[];
    expect(tags.map((tag) => tag.commit.sha)).toContain(ours);
  });

  test("is brought together as the hint says", async () => {
    expect((await gitWithKey("member", "fetch", "--quiet", "foundation")).code).toBe(0);
    await git("rebase", "--quiet", "foundation/main");
    const { code, stderr } = await repository("push");
    expect(code, stderr).toBe(0);
    expect(await mainThere()).toBe(await git("rev-parse", "HEAD"));
  });
});
