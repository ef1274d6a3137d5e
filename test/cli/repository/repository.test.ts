import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createRun } from "../../../cli/exec.ts";
import { readClone, type Clone } from "../../../cli/repository/clone.ts";
import { formatStatus, statusOf, type Status } from "../../../cli/repository/format.ts";
import { keepDeployed } from "../../../cli/repository/keep.ts";
import { withOwnForge } from "../../../cli/repository/own-forge.ts";
import { bringUpToDate, planRepository } from "../../../cli/repository/repository.ts";
import type { Shell } from "../../../cli/shell.ts";
import type { OpenStack } from "../../../cli/stack.ts";
import { parseConfig } from "../../../config.ts";
import { EXIT } from "../../../errors.ts";
import { deriveSecrets } from "../../../keys/derive.ts";
import { KEY_FILE, PASSPHRASE } from "../../keys/fixture.ts";
import { foundation } from "../foundation.ts";
import { startFakeForge, type FakeForge } from "./fake-forge.ts";

// Real git, real TLS; Vault and the forge's API are played by a local server.

const secrets = deriveSecrets(Buffer.alloc(32, 1));
const HOST_KEY = secrets.forgejo.sshHostKeys.ed25519.publicKey;
const DEPLOY_KEY = `ssh-ed25519 ${"B".repeat(68)}`;
const FORGE = { admin: "operator", adminEmail: "ops@example.org", organisation: "platform" };
const TIME = new Date("2026-01-31T12:00:00.123Z");

let root: string;
let forge: FakeForge;
let project: string;
let bare: string;
let notices: string[];
let argv: string[];
let shell: Shell;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "foundation-repository-test-"));
});
afterAll(() => rmSync(root, { recursive: true }));

beforeEach(async () => {
  const directory = mkdtempSync(join(root, "test-"));
  project = join(directory, "project");
  bare = join(directory, "platform", "foundation.git");
  mkdirSync(project);
  git("init", "--quiet", "--initial-branch=main");
  commit("first");
  forge = await startFakeForge(directory, secrets.ca.rootKeyPem);
  notices = [];
  argv = [];
  const configuration = join(directory, "gitconfig");
  // What would be asked for a password, and keep one that was right.
  writeFileSync(configuration, `[credential]\n\thelper = store --file ${directory}/stored\n[push]\n\tgpgSign = true\n`);
  const environment = { PATH: process.env["PATH"], HOME: directory, GIT_CONFIG_GLOBAL: configuration };
  const interrupted = new AbortController().signal;
  const run = createRun(environment, interrupted);
  shell = {
    projectDirectory: project,
    interrupted,
    run: (program, args, options) => {
      argv.push(...args, ...Object.values(options?.env ?? {}).map(String));
      return run(program, args, options);
    },
    notice: (text) => notices.push(text),
  } as Partial<Shell> as Shell;
  return () => {
    forge.close();
    const configured = readFileSync(join(project, ".git", "config"), "utf8");
    const seen = [...argv, ...notices, configured].join("\n");
    for (const secret of forge.secrets) expect(seen).not.toContain(secret);
    expect(existsSync(join(directory, "stored"))).toBe(false);
    expect([...forge.tokens]).toEqual([]);
  };
});

function git(...args: string[]): string {
  const identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
  return execFileSync("git", ["-C", project, ...identity, ...args], { stdio: ["ignore", "pipe", "ignore"] })
    .toString()
    .trim();
}

/** @returns its hash */
function commit(name: string): string {
  writeFileSync(join(project, name), `${name}\n`);
  git("add", name);
  git("commit", "--quiet", `--message=${name}`);
  return git("rev-parse", "HEAD");
}

/** What somebody else has pushed to the forge meanwhile. */
function commitElsewhere(onto: string): string {
  const tree = execFileSync("git", ["-C", bare, "rev-parse", `${onto}^{tree}`])
    .toString()
    .trim();
  const env = {
    ...process.env,
    ...{ GIT_AUTHOR_NAME: "b", GIT_AUTHOR_EMAIL: "b@example.org" },
    ...{ GIT_COMMITTER_NAME: "b", GIT_COMMITTER_EMAIL: "b@example.org" },
  };
  const made = execFileSync("git", ["-C", bare, "commit-tree", "-m", "elsewhere", "-p", onto, tree], { env });
  const hash = made.toString().trim();
  execFileSync("git", ["-C", bare, "update-ref", "refs/heads/main", hash]);
  return hash;
}

/** The references of the forge's repository, with the first digits of what they lead to. */
function refs(): string[] {
  const format = "--format=%(refname) %(objectname)";
  return execFileSync("git", ["-C", bare, "for-each-ref", format]).toString().trim().split("\n");
}

function openStack(changes: object = {}): OpenStack {
  const config = parseConfig({
    domain: "example.org",
    host: { address: "203.0.113.7", hostKey: `ssh-ed25519 ${"A".repeat(68)}` },
    tls: { mode: "internal" },
    offsite: "none",
    forge: { ...FORGE, ...changes },
  });
  const sites = { home: forge.home, git: forge.site, vault: forge.site, s3: forge.site };
  return { name: "prod", keyFile: "", config: { ...config, sites }, secrets };
}

async function clone(): Promise<Clone> {
  const found = await readClone(shell);
  if ("reason" in found) throw new Error(found.reason);
  return found;
}

async function bring(time = TIME, changes: object = {}, withRemote = true): Promise<void> {
  const request = { stack: "prod", clone: await clone(), time, withRemote };
  await withOwnForge(shell, openStack(changes), undefined, (own) => bringUpToDate(shell, own, request));
}

async function status(time = TIME): Promise<Status> {
  const request = { stack: "prod", clone: await clone(), time, withRemote: true };
  return withOwnForge(shell, openStack(), undefined, async (own) =>
    statusOf(own, request.clone, await planRepository(shell, own, request)),
  );
}

const later = new Date("2026-02-01T12:00:00Z");
const short = (hash: string): string => hash.slice(0, 8);
const repository = () => {
  const found = forge.repositories.get("platform/foundation");
  if (found === undefined) throw new Error("no repository");
  return found;
};

describe("the first time", () => {
  test("the repository is made, begun, protected and recorded; the clone gets its remote", async () => {
    const head = git("rev-parse", "HEAD");
    await bring();
    expect(notices).toEqual([
      "repository: create platform/foundation",
      `repository: begin main with ${short(head)}, record ${short(head)} as deployed/prod/20260131T120000Z`,
      "repository: set its topics",
      "repository: protect main",
      "repository: protect the tags deployed/**",
      "repository: add the remote foundation",
    ]);
    expect(refs()).toEqual([`refs/heads/main ${head}`, `refs/tags/deployed/prod/20260131T120000Z ${head}`]);
    expect(repository()).toEqual({
      description: "This foundation itself: what runs here is deployed from the tags deployed/…",
      topics: ["foundation", "infrastructure", "pulumi"],
      branch_protections: {
        main: {
          rule_name: "main",
          enable_push: true,
          enable_push_whitelist: true,
          push_whitelist_usernames: ["operator"],
          enable_force_push: false,
          required_approvals: 1,
          dismiss_stale_approvals: true,
          block_on_rejected_reviews: true,
          enable_status_check: true,
          status_check_contexts: ["review / * (pull_request)"],
        },
      },
      tag_protections: [{ id: 1, name_pattern: "deployed/**", whitelist_usernames: ["operator"] }],
      keys: [],
    });
    expect(git("config", "remote.foundation.url")).toBe(`ssh://git@${forge.site}:2222/platform/foundation.git`);
    expect(git("config", "core.sshCommand")).toBe(
      `ssh -o 'KnownHostsCommand=/bin/echo [${forge.site}]:2222 ${HOST_KEY}'`,
    );
  });

  test("again, it asks and changes nothing", async () => {
    await bring();
    forge.requests.length = notices.length = 0;
    await bring(later);
    expect(notices).toEqual([]);
    expect(forge.requests.toSorted()).toEqual([
      "DELETE /users/operator/tokens/repository-ID",
      "GET /repos/platform/foundation",
      "GET /repos/platform/foundation/branch_protections/main",
      "GET /repos/platform/foundation/keys",
      "GET /repos/platform/foundation/tag_protections",
      "GET /repos/platform/foundation/topics",
      "POST /users/operator/tokens",
    ]);
    expect(refs()).toHaveLength(2);
  });

  test("a forge that knows no forced push to protected branches is content too", async () => {
    forge.unknownFields = ["enable_force_push"];
    await bring();
    notices.length = 0;
    await bring(later);
    expect(notices).toEqual([]);
  });

  test("without a remote where none is wanted", async () => {
    await bring(TIME, {}, false);
    expect(() => git("config", "remote.foundation.url")).toThrow();
  });

  test("of another branch, which is said", async () => {
    git("checkout", "--quiet", "-b", "try");
    const head = commit("second");
    await bring();
    expect(notices.at(-1)).toBe(`repository: main begins with ${short(head)}, which is on try`);
    expect(refs()[0]).toBe(`refs/heads/main ${head}`);
  });

  test("of a shallow clone: nothing is made", async () => {
    commit("second");
    const whole = project;
    project = join(root, "shallow");
    execFileSync("git", ["clone", "--quiet", "--depth=1", `file://${whole}`, project]);
    shell = { ...shell, projectDirectory: project };
    const { commit: head } = await clone();
    await expect(bring(TIME, {}, false)).rejects.toMatchObject({
      message: `repository: the clone is shallow, and the forge does not have ${short(head)} yet`,
      hint: "git fetch --unshallow && npx foundation repository push",
      exitCode: EXIT.refused,
    });
    expect([notices, [...forge.repositories]]).toEqual([[], []]);
    // The deployment of it is good all the same.
    await keepDeployed(shell, openStack(), await clone(), false);
    expect([notices, [...forge.repositories]]).toEqual([
      [
        `repository: the clone is shallow, and the forge does not have ${short(head)} yet\n` +
          "hint: git fetch --unshallow && npx foundation repository push",
      ],
      [],
    ]);
    git("fetch", "--quiet", "--unshallow");
    await bring(TIME, {}, false);
    expect(refs()[0]).toBe(`refs/heads/main ${head}`);
  });
});

describe("what the forge has not", () => {
  test("is pushed and recorded; what was recorded stays", async () => {
    const first = git("rev-parse", "HEAD");
    await bring();
    commit("second");
    const third = commit("third");
    notices.length = 0;
    await bring(later);
    const what = `push 2 commits to main, record ${short(third)} as deployed/prod/20260201T120000Z`;
    expect(notices).toEqual([`repository: ${what}`]);
    expect(refs()).toEqual([
      `refs/heads/main ${third}`,
      `refs/tags/deployed/prod/20260131T120000Z ${first}`,
      `refs/tags/deployed/prod/20260201T120000Z ${third}`,
    ]);
  });

  test("a work tree that is not as committed is said, and shows in the record", async () => {
    writeFileSync(join(project, "first"), "changed\n");
    writeFileSync(join(project, "new"), "");
    await bring();
    const head = short(git("rev-parse", "HEAD"));
    expect(notices.at(-1)).toBe(`repository: 2 files are not as committed: what runs is not quite ${head}`);
    expect(refs()[1]).toMatch(/^refs\/tags\/deployed\/prod\/20260131T120000Z\+changes /);
    git("clean", "--quiet", "--force");
    git("checkout", "--quiet", ".");
    await bring(later);
    expect(refs()[2]).toMatch(/^refs\/tags\/deployed\/prod\/20260201T120000Z /);
  });

  test("a commit that is on another branch is recorded, and main stays", async () => {
    const first = git("rev-parse", "HEAD");
    await bring();
    git("checkout", "--quiet", "-b", "try");
    const second = commit("second");
    notices.length = 0;
    await bring(later);
    expect(notices).toEqual([
      `repository: record ${short(second)} as deployed/prod/20260201T120000Z`,
      `repository: ${short(second)} is on try and not on main, which lacks 1 commit of it and stays as it is\n` +
        "hint: for a pull request: git push foundation try",
    ]);
    expect(refs()[0]).toBe(`refs/heads/main ${first}`);
    git("checkout", "--quiet", "--detach");
    await bring(later);
    expect(notices.at(-1)).toBe(
      `repository: ${short(second)} is on no branch and not on main, which lacks 1 commit of it and stays as it is\n` +
        `hint: for a pull request: git push foundation ${short(second)}:refs/heads/NAME`,
    );
  });

  test("is pushed from a shallow clone too, where it follows what the forge has", async () => {
    await bring();
    const whole = project;
    project = join(root, "shallow-and-ahead");
    execFileSync("git", ["clone", "--quiet", "--depth=1", `file://${whole}`, project]);
    shell = { ...shell, projectDirectory: project };
    const second = commit("second");
    notices.length = 0;
    await keepDeployed(shell, openStack(), await clone(), false);
    expect(notices).toEqual([
      expect.stringMatching(
        new RegExp(`^repository: push 1 commit to main, record ${short(second)} as deployed/prod/\\d{8}T\\d{6}Z$`),
      ),
    ]);
    expect(refs()[0]).toBe(`refs/heads/main ${second}`);
  });

  test("a commit of main that is checked out without it", async () => {
    await bring();
    const second = commit("second");
    git("checkout", "--quiet", "--detach");
    await bring(later);
    expect(refs()[0]).toBe(`refs/heads/main ${second}`);
  });
});

describe("what only the forge has", () => {
  test("an earlier commit is recorded, and main is further", async () => {
    await bring();
    const first = git("rev-parse", "HEAD");
    const second = commit("second");
    await bring(later);
    notices.length = 0;
    git("reset", "--quiet", "--hard", first);
    await bring(new Date("2026-02-02T12:00:00Z"));
    expect(notices).toEqual([
      `repository: record ${short(first)} as deployed/prod/20260202T120000Z`,
      `repository: main is 1 commit further than ${short(first)}`,
    ]);
    expect(refs()[0]).toBe(`refs/heads/main ${second}`);
  });

  test("a merge that the clone has never seen is fetched, not overwritten", async () => {
    await bring();
    const first = git("rev-parse", "HEAD");
    const merged = commitElsewhere(first);
    notices.length = 0;
    await bring(later);
    expect(notices).toEqual([`repository: main is 1 commit further than ${short(first)}`]);
    expect(refs()[0]).toBe(`refs/heads/main ${merged}`);
  });

  test("a main that has diverged is reported, never overwritten; the deployment is recorded all the same", async () => {
    await bring();
    const merged = commitElsewhere(git("rev-parse", "HEAD"));
    commit("second");
    const third = commit("third");
    notices.length = 0;
    await expect(bring(later)).rejects.toMatchObject({
      message:
        `repository: main on ${forge.site} and the deployed ${short(third)} have diverged: ` +
        "1 commit only there, 2 commits only here; nothing was overwritten",
      hint: "bring them together and deploy that: git fetch foundation && git rebase foundation/main",
      exitCode: EXIT.refused,
    });
    expect(notices).toEqual([`repository: record ${short(third)} as deployed/prod/20260201T120000Z`]);
    expect(refs()[0]).toBe(`refs/heads/main ${merged}`);
    expect(refs()).toContain(`refs/tags/deployed/prod/20260201T120000Z ${third}`);
  });
});

describe("settings", () => {
  test("a protection that was loosened is put back; description and topics of somebody's are kept", async () => {
    await bring();
    const found = repository();
    found.description = "ours";
    found.topics = ["ours"];
    Object.assign(found.branch_protections["main"] ?? {}, { required_approvals: 0, enable_push_whitelist: false });
    Object.assign(found.tag_protections[0] ?? {}, { whitelist_usernames: ["operator", "somebody"] });
    notices.length = 0;
    await bring(later);
    expect(notices).toEqual(["repository: protect main", "repository: protect the tags deployed/**"]);
    expect(found.branch_protections["main"]).toMatchObject({ required_approvals: 1, enable_push_whitelist: true });
    expect(found.tag_protections).toEqual([{ id: 1, name_pattern: "deployed/**", whitelist_usernames: ["operator"] }]);
    expect([found.description, found.topics]).toEqual(["ours", ["ours"]]);
  });

  test("a description and topics that were taken away come back", async () => {
    await bring();
    Object.assign(repository(), { description: "", topics: [] });
    notices.length = 0;
    await bring(later);
    expect(notices).toEqual(["repository: describe it", "repository: set its topics"]);
  });

  test("the deploy key reads, is exchanged, and is taken back; another one stays", async () => {
    await bring(TIME, { deployKey: DEPLOY_KEY });
    const { keys } = repository();
    expect(keys).toEqual([{ id: 1, title: "foundation", key: DEPLOY_KEY, read_only: true }]);
    keys.push({ id: 7, title: "by hand", key: "ssh-ed25519 C", read_only: false });
    notices.length = 0;
    await bring(later, { deployKey: DEPLOY_KEY });
    expect(notices).toEqual([]);

    const next = DEPLOY_KEY.replaceAll("B", "D");
    await bring(later, { deployKey: next });
    expect(keys.map(({ title, key }) => [title, key])).toEqual([
      ["by hand", "ssh-ed25519 C"],
      ["foundation", next],
    ]);
    await bring(later);
    expect(keys.map(({ title }) => title)).toEqual(["by hand"]);
    expect(notices).toEqual([
      "repository: take back the deploy key",
      "repository: let the deploy key read it",
      "repository: take back the deploy key",
    ]);
  });
});

describe("the clone's remote", () => {
  test("that leads elsewhere is reported and left; what opens it is not shown", async () => {
    git("remote", "add", "foundation", "https://me:secret@example.net/x.git");
    await bring();
    const wanted = `ssh://git@${forge.site}:2222/platform/foundation.git`;
    expect(notices.at(-1)).toBe(
      `repository: the remote foundation leads to https://example.net/x.git, not to ${wanted}\n` +
        `hint: git remote set-url foundation ${wanted}`,
    );
    expect(git("config", "remote.foundation.url")).toBe("https://me:secret@example.net/x.git");
  });

  test("over HTTPS is as good", async () => {
    git("remote", "add", "foundation", `https://${forge.site}/platform/foundation`);
    await bring();
    expect(notices.at(-1)).toBe("repository: protect the tags deployed/**");
  });

  test("leaves an SSH command of the operator's alone, and says the host key", async () => {
    git("config", "core.sshCommand", "ssh -v");
    await bring();
    expect(git("config", "core.sshCommand")).toBe("ssh -v");
    expect(notices.at(-1)).toBe(
      `repository: core.sshCommand is yours; the forge's host key is: [${forge.site}]:2222 ${HOST_KEY}`,
    );
  });
});

describe("what goes wrong", () => {
  test("a push that the forge refuses has the forge's words", async () => {
    await bring();
    const hook = join(bare, "hooks", "pre-receive");
    writeFileSync(
      hook,
      "#!/bin/sh\necho >&2\necho 'Forgejo: Not allowed to push to protected branch main' >&2\nexit 1\n",
    );
    chmodSync(hook, 0o755);
    commit("second");
    await expect(bring(later)).rejects.toMatchObject({
      message: "repository: the push was refused: Not allowed to push to protected branch main",
      hint: "look at the forge's log: docker logs --tail 50 forgejo on the VM",
      exitCode: EXIT.failed,
    });
    expect(refs()).toHaveLength(2);
  });

  test("hooks of the clone are not run", async () => {
    const hook = join(project, ".git", "hooks", "pre-push");
    writeFileSync(hook, "#!/bin/sh\nexit 1\n");
    chmodSync(hook, 0o755);
    await bring();
    expect(refs()).toHaveLength(2);
  });

  test("Vault is sealed", async () => {
    forge.isSealed = true;
    await expect(bring()).rejects.toMatchObject({
      message: `https://${forge.site}: Vault is sealed`,
      exitCode: EXIT.attention,
    });
  });

  test("there is to be none", async () => {
    const configFile = join(project, "Pulumi.prod.yaml");
    const config = {
      "foundation:domain": "example.org",
      "foundation:host": { address: "203.0.113.7", hostKey: HOST_KEY },
      "foundation:tls": { mode: "internal" },
      "foundation:offsite": "none",
      "foundation:forge": { ...FORGE, repository: "none" },
      "foundation:keyDirectory": dirname(KEY_FILE),
    };
    writeFileSync(configFile, stringify({ config }));
    for (const command of ["push", "status"]) {
      const args = ["repository", command, "--config-file", configFile];
      expect(await foundation(args, { PULUMI_CONFIG_PASSPHRASE: PASSPHRASE })).toEqual({
        exitCode: EXIT.config,
        stdout: "",
        stderr:
          "error: repository: foundation:forge.repository is none\n" +
          "hint: pulumi config set --path foundation:forge.repository foundation\n",
      });
    }
  });

  test("no clone, no commit, a repository of somebody else", async () => {
    const bareDirectory = join(project, "inner");
    mkdirSync(bareDirectory);
    const at = { ...shell, projectDirectory: bareDirectory };
    expect(await readClone(at)).toEqual({ reason: `${bareDirectory} is no git clone` });
    execFileSync("git", ["init", "--quiet", bareDirectory]);
    expect(await readClone(at)).toEqual({ reason: `${bareDirectory} has no commit` });
    writeFileSync(join(bareDirectory, ".git", "config"), "[core\n");
    await expect(readClone(at)).rejects.toThrow("repository: fatal: bad config line 1 in file .git/config");
  });
});

describe("status", () => {
  test("before anything is there", async () => {
    const head = git("rev-parse", "HEAD");
    expect(formatStatus(await status())).toBe(`repository  https://${forge.site}/platform/foundation
here        ${short(head)} on main
main        not there yet
deployed    nothing recorded
to do       create platform/foundation
to do       begin main with ${short(head)}, record ${short(head)} as deployed/prod/20260131T120000Z
to do       set its topics
to do       protect main
to do       protect the tags deployed/**
to do       add the remote foundation`);
    expect(forge.repositories.size).toBe(0);
  });

  test("when all is well, and when it is not; nothing is changed", async () => {
    await bring();
    const first = git("rev-parse", "HEAD");
    expect(formatStatus(await status(later))).toBe(`repository  https://${forge.site}/platform/foundation
here        ${short(first)} on main
main        ${short(first)}, the same
deployed    ${short(first)}, deployed/prod/20260131T120000Z`);

    const merged = commitElsewhere(first);
    const second = commit("second");
    writeFileSync(join(project, "new"), "");
    const found = await status(later);
    expect(formatStatus(found)).toBe(`repository  https://${forge.site}/platform/foundation
here        ${short(second)} on main, 1 file not as committed
main        ${short(merged)}, lacks 1 commit, has 1 commit more
deployed    ${short(first)}, deployed/prod/20260131T120000Z
notice      1 file is not as committed: what runs is not quite ${short(second)}
obstacle    repository: main on ${forge.site} and the deployed ${short(second)} have diverged: 1 commit only there, 1 commit only here; nothing was overwritten
to do       record ${short(second)} as deployed/prod/20260201T120000Z+changes`);
    expect(found).toEqual({
      repository: "platform/foundation",
      page: `https://${forge.site}/platform/foundation`,
      commit: second,
      branch: "main",
      changedFiles: 1,
      main: merged,
      relation: { kind: "diverged", ahead: 1, behind: 1 },
      deployed: { tag: "deployed/prod/20260131T120000Z", commit: first, withChanges: false },
      toDo: [`record ${short(second)} as deployed/prod/20260201T120000Z+changes`],
      notices: [`1 file is not as committed: what runs is not quite ${short(second)}`],
      obstacle: expect.stringContaining("have diverged") as string,
    });
    expect(refs()).toHaveLength(2);
  });
});
