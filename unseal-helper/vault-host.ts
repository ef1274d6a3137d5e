import { EXIT, UserError } from "../errors.ts";
import { sshArguments, type SshTarget } from "../ssh-target.ts";
import { type ChildEnvironment, connect, type Connection } from "./exec.ts";
import { runHostScript, sudo, unreachable } from "./host-script.ts";

const TIMEOUT_SECONDS = 120;
/** The lock of a run that was killed goes as soon as its ssh notices. */
const LOCK_SECONDS = 10;
const LOCK_FILE = "/run/foundation-vault.lock";
const VAULT = "127.0.0.1:8200";

/** Starts a connection to Vault's port on the VM. */
export function connectToVault(target: SshTarget, env: ChildEnvironment): Connection {
  return connect(["ssh", "-W", VAULT, ...sshArguments(target)], env);
}

/** What vault-host.sh can do. */
export type HostCommand = readonly [
  (
    | "read-marker"
    | "write-marker"
    | "initialise"
    | "read-spool"
    | "shred-spool"
    | "start"
    | "stop"
    | "restart"
    | "wipe"
    | "open-endpoint"
    | "close-endpoints"
  ),
  ...words: string[],
];

/** The VM that runs Vault, through the system's `ssh`. */
export class VaultHost {
  readonly #target: SshTarget;
  readonly #owner: string;
  readonly #script: string;
  readonly #env: ChildEnvironment;

  /**
   * @param owner value of the label `foundation.owner` that container and volume must carry
   * @param script text of vault-host.sh
   */
  constructor(target: SshTarget, owner: string, script: string, env: ChildEnvironment) {
    this.#target = target;
    this.#owner = owner;
    this.#script = script;
    this.#env = env;
  }

  /**
   * Runs one command of vault-host.sh.
   *
   * @returns its output without the last line end
   * @throws UserError with the message, hint and exit code of the script
   */
  async run([command, ...more]: HostCommand): Promise<string> {
    const words = [this.#owner, command, ...more];
    const args = { script: this.#script, words, timeoutSeconds: TIMEOUT_SECONDS };
    return await runHostScript(this.#target, this.#env, args);
  }

  /**
   * Holds a lock on the VM for as long as `work` runs. The lock is that of a process at the other end of the
   * connection, so that it goes when this program or the network dies.
   */
  async withLock<T>(work: () => Promise<T>): Promise<T> {
    const remote = `${sudo(this.#target)}flock -w ${LOCK_SECONDS} -E ${EXIT.refused} ${LOCK_FILE} sh -c 'echo locked; exec cat'`;
    const connection = connect(["ssh", ...sshArguments(this.#target), remote], this.#env);
    const locked = new Promise<undefined>((resolve) => connection.child.stdout.once("data", () => resolve(undefined)));
    const code = await Promise.race([locked, connection.ended]);
    if (code === EXIT.refused) {
      throw new UserError(
        "vm: somebody else is at work on Vault",
        "wait for it, and run the same command again",
        EXIT.refused,
      );
    }
    if (code !== undefined) throw unreachable(this.#target, code, connection.stderr());
    try {
      return await work();
    } finally {
      connection.child.stdin.end();
      await connection.ended;
    }
  }
}
