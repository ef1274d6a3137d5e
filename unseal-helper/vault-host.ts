import { EXIT, type ExitCode, UserError } from "../errors.ts";
import { sshArguments, type SshTarget } from "../ssh-target.ts";
import { type ChildEnvironment, connect, type Connection, run } from "./exec.ts";

const TIMEOUT_SECONDS = 120;
/** The lock of a run that was killed goes as soon as its ssh notices. */
const LOCK_SECONDS = 10;
const LOCK_FILE = "/run/foundation-vault.lock";
const VAULT = "127.0.0.1:8200";
/** OpenSSH's own exit code for a connection that failed. */
const SSH_FAILED = 255;

/** Starts a connection to Vault's port on the VM. */
export function connectToVault(target: SshTarget, env: ChildEnvironment): Connection {
  return connect(["ssh", "-W", VAULT, ...sshArguments(target)], env);
}

/** The error for an ssh that did not get through. */
export function unreachable({ address, user, port }: SshTarget, code: number, stderr: string): UserError {
  if (stderr.includes("Host key verification failed")) {
    return new UserError(
      `vm ${address}: shows another host key than the pinned one`,
      `compare: ssh-keyscan -p ${port} ${address}; a VM that was rebuilt on purpose needs its new key pinned`,
      EXIT.unreachable,
    );
  }
  const reason = code === 127 ? "there is no ssh program" : stderr.split("\n").at(-1) || `ssh ended with ${code}`;
  return new UserError(
    `vm ${address}: cannot be reached: ${reason}`,
    `ssh -p ${port} ${user}@${address}`,
    EXIT.unreachable,
  );
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
    // The remote shell splits this line, so nothing in it may have a meaning to a shell.
    for (const word of more) if (!/^[\w+/= -]+$/.test(word)) throw new Error(`bad argument ${word}`);
    const words = [this.#owner, command, ...more.map((word) => (/^[\w-]+$/.test(word) ? word : `'${word}'`))];
    const remote = `${this.#sudo()}timeout ${TIMEOUT_SECONDS} bash -s -- ${words.join(" ")}`;
    const options = { env: this.#env, input: this.#script, timeoutSeconds: TIMEOUT_SECONDS + 30 };
    const { code, stdout, stderr } = await run(["ssh", ...sshArguments(this.#target), remote], options);
    if (code === 0) return stdout.trimEnd();
    if (code === SSH_FAILED || code === 127) throw unreachable(this.#target, code, stderr);
    throw scriptError(code, stderr);
  }

  /**
   * Holds a lock on the VM for as long as `work` runs. The lock is that of a process at the other end of the
   * connection, so that it goes when this program or the network dies.
   */
  async withLock<T>(work: () => Promise<T>): Promise<T> {
    const remote = `${this.#sudo()}flock -w ${LOCK_SECONDS} -E ${EXIT.refused} ${LOCK_FILE} sh -c 'echo locked; exec cat'`;
    const connection = connect(["ssh", ...sshArguments(this.#target), remote], this.#env);
    const locked = new Promise<undefined>((resolve) => connection.child.stdout.once("data", () => resolve(undefined)));
    const code = await Promise.race([locked, connection.ended]);
    if (code === EXIT.refused) {
      throw new UserError("vm: somebody else is initialising Vault", "wait for it and run again", EXIT.refused);
    }
    if (code !== undefined) throw unreachable(this.#target, code, connection.stderr());
    try {
      return await work();
    } finally {
      connection.child.stdin.end();
      await connection.ended;
    }
  }

  #sudo(): string {
    return this.#target.user === "root" ? "" : "sudo -n ";
  }
}

function scriptError(code: number, stderr: string): UserError {
  const [, message, hint] = /^(.+)\nhint: (.+)$/m.exec(stderr) ?? [];
  const known = (Object.values(EXIT) as number[]).includes(code) ? (code as ExitCode) : EXIT.failed;
  if (message !== undefined && hint !== undefined) return new UserError(message, hint, known);
  const reason = stderr.replace(/\s+/g, " ").slice(0, 300);
  return new UserError(
    `vm: Vault's host script ended with ${code}: ${reason}`,
    "docker ps -a (on the VM)",
    EXIT.failed,
  );
}
