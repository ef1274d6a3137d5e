import { EXIT, UserError } from "../errors.ts";

/** One call of Vault's HTTP API. */
export interface VaultRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** below `/v1/` */
  readonly path: string;
  readonly token?: string;
  readonly body?: object;
  /** how long to wait for the answer; 30 by default */
  readonly timeoutSeconds?: number;
}

export interface VaultResponse {
  readonly status: number;
  /** the JSON object of the answer; empty where there is none */
  readonly body: Readonly<Record<string, unknown>>;
}

/** What is asked of `sys/init`: the answer is encrypted under the key. */
export interface InitRequest {
  readonly epochId: string;
  readonly n: number;
  readonly t: number;
  /** base64 of the binary form */
  readonly pgpPublicKey: string;
}

/** What Vault ≥ 2.0 does only for holders of a token, unless its configuration opens it to all. */
export type EndpointFamily = "generate-root" | "rekey";

/** PGP, which Vault alone needs: the answer of `sys/init` is on the VM's disk before it is anywhere else. */
export interface Pgp {
  newPrivateKey(): Promise<Buffer>;
  /** @returns base64 of the binary form */
  publicKeyOf(privateKey: Buffer): Promise<string>;
  /** @throws Error where the message is not for this key or is damaged */
  decrypt(privateKey: Buffer, message: Buffer): Promise<Buffer>;
}

/** Vault does not answer properly, while the VM does: it may be starting. */
export class VaultUnavailable extends UserError {
  /** @param reason as in "connection refused" */
  constructor(reason: string) {
    super(
      `vault: ${reason}`,
      "docker ps -a --filter name=vault; docker logs --tail 50 vault (on the VM)",
      EXIT.unreachable,
    );
  }
}

/**
 * Everything the helper does to the world.
 *
 * The state machine goes through this one seam, so that a test can stop it after any effect and run it again.
 */
export interface Effects {
  /** text of the share file; `undefined` where there is none */
  readShareFile(): Promise<string | undefined>;
  /** atomic and durable when it returns */
  writeShareFile(text: string): Promise<void>;

  /**
   * @throws VaultUnavailable where nothing, or no whole answer, comes from Vault's port
   * @throws UserError (unreachable) where the VM itself cannot be reached
   */
  requestVault(request: VaultRequest): Promise<VaultResponse>;

  /** content of the marker file in Vault's data volume; `undefined` where there is none */
  readMarker(): Promise<string | undefined>;
  writeMarker(marker: string): Promise<void>;
  /**
   * Initialises Vault from the VM itself, which keeps the answer beside the marker before it passes it on.
   *
   * @returns text of the answer: ciphertext
   */
  initialiseVault(request: InitRequest): Promise<string>;
  /** the answer that is kept; `undefined` where there is none */
  readSpool(epochId: string): Promise<string | undefined>;
  /** removes the answers that are kept, of any epoch */
  shredSpool(): Promise<void>;
  stopVault(): Promise<void>;
  /** does nothing to a running container */
  startVault(): Promise<void>;
  /** leaves Vault sealed */
  restartVault(): Promise<void>;
  /** opens a family to requests without a token: in Vault's configuration, which it is told to read again */
  openEndpoint(family: EndpointFamily): Promise<void>;
  /** the opposite, for all families */
  closeEndpoints(): Promise<void>;
  /** empties the data volume, the marker last; refuses unless the container is stopped and the marker is this one */
  wipeVolume(marker: string): Promise<void>;
  /** runs `work` while no other helper on any machine can initialise this Vault; a crash releases the lock */
  withHostLock<T>(work: () => Promise<T>): Promise<T>;

  sleep(milliseconds: number): Promise<void>;
  /** milliseconds of a clock that never jumps */
  monotonicNow(): number;
  /** the wall clock, only for dates that people read */
  now(): Date;
  newId(): string;
  readonly pgp: Pgp;
  /** one line of progress for the operator */
  log(line: string): void;
}
