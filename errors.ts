/**
 * Exit codes of every program in this repository and of every script it runs on the VM.
 * They are documented in docs/reference.md and never change meaning.
 */
export const EXIT = {
  /** done, nothing wrong */
  ok: 0,
  /** a deployment, a check or an operation failed */
  failed: 1,
  /** it works, but there is something to do: pending changes, a degraded service, a sealed Vault */
  attention: 2,
  /** Vault is there and has never been initialised */
  uninitialised: 3,
  /** the master passphrase is missing or does not open the key file */
  passphrase: 4,
  /** a key or share file is missing, damaged or tampered with */
  keyFile: 5,
  /** an initialisation stopped half-way; running the same command again finishes it */
  halfDone: 6,
  /** VM, offsite host or Vault cannot be reached, or is not the one whose host key is pinned */
  unreachable: 7,
  /** refused, because going on could destroy something that is not ours */
  refused: 8,
  /** the VM is unfit: operating system, disk, ports, clock, Docker */
  host: 9,
  /** wrong command line */
  usage: 64,
  /** invalid configuration */
  config: 78,
  /** stopped by Ctrl-C */
  interrupted: 130,
} as const;

/** One of the documented exit codes. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/**
 * The one error that is meant to be read by a person: what is wrong and what to run next.
 *
 * Everything else that is thrown is a defect of the program and is shown with its stack.
 */
export class UserError extends Error {
  override readonly name = "UserError";
  readonly hint: string;
  readonly exitCode: ExitCode;

  /**
   * @param message `<where>: <what is wrong, with the value unless it is secret>`
   * @param hint the command or action that fixes it
   * @param exitCode the process's exit code where nothing catches it
   */
  constructor(message: string, hint: string, exitCode: ExitCode = EXIT.failed) {
    super(message);
    this.hint = hint;
    this.exitCode = exitCode;
  }
}
