import { readFileSync } from "node:fs";
import { NOT_THE_BACKUP, type DrillReport } from "../../backup/drill-record.ts";
import { EXIT, UserError } from "../../errors.ts";
import type { SshTarget } from "../../ssh-target.ts";
import { progressFilter, remoteFailure } from "../backup/remote-failure.ts";
import { exitCodeOf, formatFinding } from "../preflight/findings.ts";
import { preflight } from "../preflight/preflight.ts";
import { requestOf } from "../preflight/request.ts";
import type { Finished, RunOptions } from "../exec.ts";
import type { Shell } from "../shell.ts";
import { rootCommand, runOnVm } from "../ssh.ts";
import type { OpenStack } from "../stack.ts";
import { addGit } from "./drill.ts";
import { parseHostFacts, type HostFacts } from "./scratch-timeline.ts";

const RESTORE_SECONDS = 12 * 3600;
const CLEAN_SECONDS = 900;

/** The host that a drill brings everything back on. */
export class ScratchHost {
  readonly #shell: Shell;
  readonly #stack: OpenStack;
  readonly #target: SshTarget;

  constructor(shell: Shell, stack: OpenStack, target: SshTarget) {
    this.#shell = shell;
    this.#stack = stack;
    this.#target = target;
  }

  /** Takes it, having removed what an earlier drill has left. @throws UserError (refused, unreachable) */
  async take(): Promise<void> {
    await this.#require(["begin", this.#stack.secrets.ownerId], { timeoutSeconds: CLEAN_SECONDS });
  }

  /** @throws UserError (host) where the foundation cannot go there */
  async requireFit(): Promise<void> {
    const { secrets, config } = this.#stack;
    const request = requestOf({ secrets, config: { ...config, host: this.#target } });
    const { findings } = await preflight(this.#shell.run, request);
    for (const finding of findings) this.#shell.notice(formatFinding(finding));
    const code = exitCodeOf(findings);
    if (code !== EXIT.ok)
      throw new UserError("drill: the scratch host is unfit, see above", "choose another one", code);
  }

  /** When what came up there. */
  async facts(): Promise<HostFacts> {
    return parseHostFacts((await this.#require(["facts"])).stdout);
  }

  /**
   * Does the restore once more, where a deployment has stopped: it says whether it was that, and why.
   *
   * @returns undefined where the restore is whole; exit code 1 is a verdict on the backup, every other is none
   */
  async whyNotRestored(): Promise<UserError | undefined> {
    const finished = await this.#run(["seed", this.#stack.secrets.ownerId], { timeoutSeconds: RESTORE_SECONDS });
    if (finished.exitCode === EXIT.ok) return undefined;
    const error = remoteFailure("drill", finished);
    if (error.exitCode !== EXIT.failed || !NOT_THE_BACKUP.test(error.message)) return error;
    return new UserError(error.message, error.hint, EXIT.unreachable);
  }

  /** Compares what runs there with the marker of the backup. @throws UserError where that cannot be done */
  async check(): Promise<DrillReport> {
    const { ownerId, vaultAppRole } = this.#stack.secrets;
    const { roleId, secretId } = vaultAppRole("backup");
    const started = performance.now();
    const input = `${roleId}\n${secretId}\n`;
    const { stdout, stderr } = await this.#run(["check", ownerId], { input, timeoutSeconds: RESTORE_SECONDS });
    if (!stdout.startsWith("{")) {
      const { message, hint } = remoteFailure("drill", { exitCode: EXIT.host, stdout, stderr });
      throw new UserError(message, hint, EXIT.host);
    }
    const script = readFileSync(new URL("./drill-host.sh", import.meta.url), "utf8");
    const argv = ["bash", "-s", "--", "git", "forgejo-data", "git/repositories"];
    const options = { input: script, timeoutSeconds: RESTORE_SECONDS };
    const git = await runOnVm(this.#shell.run, "drill", this.#target, rootCommand(this.#target, argv), options);
    return addGit(`${stdout.trim()}\n${git.stdout}`, Math.round((performance.now() - started) / 100) / 10);
  }

  /** Removes everything of the drill's, also after Ctrl-C. @throws UserError (refused, unreachable) */
  async clean(): Promise<void> {
    const options = { timeoutSeconds: CLEAN_SECONDS, evenIfInterrupted: true };
    await this.#require(["clean", this.#stack.secrets.ownerId], options);
  }

  async #require(words: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const finished = await this.#run(words, options);
    if (finished.exitCode !== EXIT.ok) throw remoteFailure("drill", finished);
    return finished;
  }

  async #run(words: readonly string[], options: RunOptions): Promise<Finished> {
    const script = readFileSync(new URL("./scratch-host.sh", import.meta.url), "utf8");
    const argv = ["bash", "-c", script, "scratch-host", ...words];
    const progress = progressFilter((line) => {
      this.#shell.notice(line);
    });
    const all = { ...options, onLine: progress.line };
    return await runOnVm(this.#shell.run, "drill", this.#target, rootCommand(this.#target, argv), all);
  }
}
