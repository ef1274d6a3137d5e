import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { VerifyContext } from "../../cli/verify/context.ts";
import { api } from "./load/issues.ts";
import { files, must, paths, readConfig, sandbox, writeConfig } from "./rig.ts";

/**
 * Brings the rig up with a runner whose jobs have rootless containers, or what FOUNDATION_RUNNER_ISOLATION says.
 *
 * @param further configuration, by full key
 */
export async function upWithRunner(further: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const up = async (): Promise<void> => {
    const { code, stderr } = await sandbox(["up", "--no-verify"]);
    if (code !== 0) throw new Error(stderr);
  };
  if (!existsSync(files.config)) await up();
  const isolation = process.env["FOUNDATION_RUNNER_ISOLATION"] ?? "rootless";
  const runner = { enabled: true, isolation };
  writeConfig(files.config, { ...readConfig(), "foundation:runner": runner, ...further });
  await up();
}

/** One job of a run, as it ended. */
export interface Job {
  readonly name: string;
  readonly conclusion: string;
  /** ISO times */
  readonly created_at: string;
  readonly started_at: string;
  readonly log: string;
}

/** A run that ended, and how long it took from the push on. */
export interface Ended {
  readonly conclusion: string;
  readonly jobs: readonly Job[];
  readonly seconds: number;
}

interface Run {
  readonly id: number;
  readonly head_sha: string;
  readonly status: string;
  readonly conclusion: string;
}

/** Repositories with workflows, and what becomes of them: the forge as its users have it. */
export class Workflows {
  readonly #context: VerifyContext;
  readonly #token: string;

  constructor(context: VerifyContext, token: string) {
    this.#context = context;
    this.#token = token;
  }

  call(method: string, path: string, body?: object): Promise<unknown> {
    return api(this.#context, { token: this.#token }, method, path, body);
  }

  /** A private repository of the organisation. @returns `OWNER/NAME` */
  async create(name: string, secrets: Readonly<Record<string, string>> = {}): Promise<string> {
    const { organisation } = this.#context.forge;
    await this.call("POST", `/orgs/${organisation}/repos`, { name, private: true, default_branch: "main" });
    for (const [secret, data] of Object.entries(secrets))
      await this.call("PUT", `/repos/${organisation}/${name}/actions/secrets/${secret}`, { data });
    return `${organisation}/${name}`;
  }

  /** Commits files on top of nothing and pushes them with git. @returns the commit */
  async push(repository: string, files: Readonly<Record<string, string>>): Promise<string> {
    const directory = mkdtempSync(join(tmpdir(), "foundation-workflow-"));
    try {
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(directory, path)), { recursive: true });
        writeFileSync(join(directory, path), text);
      }
      const url = `https://token:${this.#token}@${this.#context.sites.git}/${repository}.git`;
      const who = ["-c", "user.name=Test", "-c", "user.email=test@noreply.invalid"];
      const git = (...words: string[]) => must(["git", "-C", directory, ...who, ...words], { environment: GIT });
      await git("init", "--quiet", "--initial-branch=main");
      await git("add", "--all");
      await git("commit", "--quiet", "--message", `at ${new Date().toISOString()}`);
      await git("push", "--quiet", "--force", url, "main");
      return await git("rev-parse", "HEAD");
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  /** Pushes one workflow and waits for its end. */
  async run(repository: string, workflow: string, files: Readonly<Record<string, string>> = {}): Promise<Ended> {
    const began = performance.now();
    const commit = await this.push(repository, {
      ...files,
      ".forgejo/workflows/test.yml": workflow,
    });
    return this.ended(repository, commit, began);
  }

  /** The run that a push started, once it has ended. */
  async ended(repository: string, commit: string, began: number, seconds = 600): Promise<Ended> {
    const end = began + seconds * 1000;
    for (;;) {
      const { workflow_runs: runs } = (await this.call("GET", `/repos/${repository}/actions/runs?limit=50`)) as {
        workflow_runs: Run[];
      };
      const run = runs.find(({ head_sha }) => head_sha === commit);
      if (run?.status === "completed") {
        const jobs = await this.#jobs(repository, run);
        return { conclusion: run.conclusion, jobs, seconds: (performance.now() - began) / 1000 };
      }
      if (performance.now() > end) throw new Error(`${repository}: run is ${run?.status ?? "not there"}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }

  async #jobs(repository: string, { id }: Run): Promise<Job[]> {
    const answer = await this.call("GET", `/repos/${repository}/actions/runs/${String(id)}/jobs`);
    const { jobs } = answer as { jobs: (Omit<Job, "log"> & { id: number })[] };
    const { http, sites } = this.#context;
    const headers = { authorization: `token ${this.#token}` };
    return Promise.all(
      jobs.map(async (job) => {
        const url = `https://${sites.git}/api/v1/repos/${repository}/actions/jobs/${String(job.id)}/logs`;
        return { ...job, log: (await http("GET", url, { headers })).body.toString() };
      }),
    );
  }
}

/** For git at the rig's forge. */
export const GIT = { GIT_SSL_CAINFO: join(paths.sandbox, "ca.crt"), GIT_TERMINAL_PROMPT: "0" };

/** Everything that the jobs of a run printed. */
export const logs = (run: Ended): string => run.jobs.map(({ name, log }) => `== ${name}\n${log}`).join("\n");

/** What jobs of a run said of themselves: lines `SAYS word…`. */
export const said = (run: Ended): string[] =>
  [...logs(run).matchAll(/^\S+ SAYS (.*)$/gm)].map(([, words = ""]) => words.trim());

/** A workflow of one job with one step. @param job further lines of the job, such as its container */
export function oneStep(script: string, job = ""): string {
  const indented = script.trimEnd().replaceAll("\n", "\n          ");
  return `on: push
jobs:
  only:
    runs-on: foundation
${job}    steps:
      - shell: bash
        run: |
          ${indented}
`;
}
