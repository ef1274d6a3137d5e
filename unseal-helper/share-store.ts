import { deriveBytes, LABELS } from "../keys/labels.ts";
import { damaged, serialiseDocument, verifyDocument } from "../keys/signed-document.ts";
import type { SshTarget } from "../ssh-target.ts";
import type { Effects } from "./effects.ts";
import { emptyShareFile, type Epoch, parseShareFile, type SealedShare, type ShareFileBody } from "./share-file.ts";
import { openHeld, openShare, paperShare, sealHeld, sealShare, shareMac } from "./share-sealing.ts";

type FileEffects = Pick<Effects, "readShareFile" | "writeShareFile">;

/** The share file with the master key in hand: checks it on every read and proves every write by reading it back. */
export class ShareStore {
  readonly #path: string;
  readonly #masterKey: Buffer;
  readonly #effects: FileEffects;
  #body: ShareFileBody;

  /** @param path only for messages: the effects know the file */
  constructor(path: string, stack: string, masterKey: Buffer, effects: FileEffects) {
    this.#path = path;
    this.#masterKey = masterKey;
    this.#effects = effects;
    this.#body = emptyShareFile(stack);
  }

  get target(): SshTarget | null {
    return this.#body.target;
  }

  /** of the file, for messages */
  get path(): string {
    return this.#path;
  }

  get stack(): string {
    return this.#body.stack;
  }

  /** all epochs, oldest first */
  get epochs(): readonly Epoch[] {
    return this.#body.epochs;
  }

  /** The epoch in force; `undefined` before the first one. */
  get epoch(): Epoch | undefined {
    return this.pendingRekey === undefined ? this.#body.epochs.at(-1) : this.#body.epochs.at(-2);
  }

  /** New shares of which it is not known yet whether they or those in force open Vault. */
  get pendingRekey(): Epoch | undefined {
    const last = this.#body.epochs.at(-1);
    return last?.rekeyOf === undefined || last.phase === "COMMITTED" ? undefined : last;
  }

  /**
   * Reads the file; a missing one stands for a stack whose Vault was never initialised.
   *
   * @throws UserError (keyFile) where it is damaged or was changed without the master key
   */
  async load(): Promise<void> {
    const text = await this.#effects.readShareFile();
    if (text === undefined) return;
    const { body, document } = parseShareFile(this.#path, text);
    if (body.stack !== this.#body.stack) throw damaged(this.#path, `it belongs to stack ${body.stack}`);
    verifyDocument(this.#path, document, this.#macKey());
    this.#body = body;
  }

  /** Remembers where Vault runs. */
  async recordTarget(target: SshTarget): Promise<void> {
    const { address, user, port, hostKey } = target;
    const plain = { address, user, port, hostKey };
    if (JSON.stringify(plain) !== JSON.stringify(this.#body.target))
      await this.#write({ ...this.#body, target: plain });
  }

  /** Adds an epoch, which is in force from then on. */
  async addEpoch(epoch: Epoch): Promise<void> {
    await this.#write({ ...this.#body, epochs: [...this.#body.epochs, epoch] });
  }

  /** Changes the epoch in force. */
  async updateEpoch(change: Partial<Epoch>): Promise<void> {
    const current = this.#current();
    const epochs = this.#body.epochs.map((epoch) => (epoch === current ? { ...epoch, ...change } : epoch));
    await this.#write({ ...this.#body, epochs });
  }

  /** Adds an epoch of which nothing but the intention exists, with the private PGP key for its secrets. */
  async addIntent(epoch: Omit<Epoch, "pgpKey">, pgpKey: Buffer): Promise<void> {
    await this.addEpoch({
      ...epoch,
      pgpKey: sealHeld(this.#masterKey, this.#body.stack, epoch, "pgpKey", pgpKey),
    });
  }

  /**
   * Adds the shares that are to replace those in force; returns after they have been read back and compared.
   *
   * @param epoch without shares
   */
  async addRekey(epoch: Epoch, shares: readonly Buffer[]): Promise<void> {
    await this.addEpoch({ ...epoch, shares: this.#sealed(epoch, shares) });
    await this.load();
    const stored = this.shares(this.pendingRekey);
    if (!stored.every((share, at) => shares[at]?.equals(share))) {
      throw damaged(this.#path, "what was written does not read back");
    }
  }

  /** Ends a pending rekey: its shares are in force from now on, or are forgotten. */
  async endRekey(isInForce: boolean): Promise<void> {
    const pending = this.pendingRekey;
    const { clusterId } = this.#current();
    const others = this.#body.epochs.filter((epoch) => epoch !== pending);
    const epochs =
      isInForce && pending !== undefined ? [...others, { ...pending, phase: "COMMITTED" as const, clusterId }] : others;
    await this.#write({ ...this.#body, epochs });
  }

  /** Keeps what Vault handed out once and never again; returns after it has been read back and compared. */
  async storeSecrets(shares: readonly Buffer[], rootToken: string): Promise<void> {
    const { pgpKey: _, ...epoch } = this.#current();
    const stored: Epoch = {
      ...epoch,
      phase: "STORED",
      rootToken: sealHeld(this.#masterKey, this.#body.stack, epoch, "rootToken", Buffer.from(rootToken)),
      shares: this.#sealed(epoch, shares),
    };
    await this.#write({ ...this.#body, epochs: this.#body.epochs.with(-1, stored) });
    await this.load();
    const same = this.shares().every((share, at) => shares[at]?.equals(share)) && this.rootToken() === rootToken;
    if (!same) throw damaged(this.#path, "what was written does not read back");
  }

  /** The shares of an epoch that are in the file, in clear; without an argument those of the epoch in force. */
  shares(epoch = this.#current()): Buffer[] {
    const inFile = epoch.shares.filter(({ custody }) => custody === "file");
    return inFile.map(({ index }) => openShare(this.#masterKey, this.#path, this.#body.stack, epoch, index));
  }

  /** Share `index` of the epoch in force, in clear. */
  share(index: number): Buffer {
    return openShare(this.#masterKey, this.#path, this.#body.stack, this.#current(), index);
  }

  /** Whether this is share `index` of the epoch, on paper or not. */
  isShare(epoch: Epoch, index: number, share: Buffer): boolean {
    const known = epoch.shares[index - 1];
    return known !== undefined && known.mac === shareMac(this.#masterKey, epoch, index, share);
  }

  /** Forgets shares of the epoch in force, of which sheets exist. */
  async handOver(indices: readonly number[]): Promise<void> {
    const epoch = this.#current();
    const shares = epoch.shares.map((share) =>
      indices.includes(share.index) ? paperShare(this.#masterKey, epoch, share.index, this.share(share.index)) : share,
    );
    await this.updateEpoch({ shares });
  }

  /** Registers a share of the epoch in force that Vault did not make; returns its index. */
  async addPaperShare(share: Buffer): Promise<number> {
    const epoch = this.#current();
    const index = epoch.shares.length + 1;
    await this.updateEpoch({ shares: [...epoch.shares, paperShare(this.#masterKey, epoch, index, share)] });
    return index;
  }

  /** The initial root token of the epoch in force, in clear. */
  rootToken(): string {
    return openHeld(this.#masterKey, this.#path, this.#body.stack, this.#current(), "rootToken").toString();
  }

  /** The private PGP key of an epoch at INTENT, in clear. */
  pgpKey(): Buffer {
    return openHeld(this.#masterKey, this.#path, this.#body.stack, this.#current(), "pgpKey");
  }

  #sealed(epoch: Pick<Epoch, "id" | "n" | "t">, shares: readonly Buffer[]): SealedShare[] {
    return shares.map((share, at) => sealShare(this.#masterKey, this.#body.stack, epoch, at + 1, share));
  }

  /** The key under which a snapshot's manifest is signed. */
  snapshotKey(): Buffer {
    return deriveBytes(this.#masterKey, LABELS.vaultSnapshot, 32);
  }

  /** Puts an epoch in force again whose snapshot has been restored. */
  async reinstate(id: string): Promise<void> {
    if (this.epoch?.id === id) return;
    // After a restore no epoch is that of a rekey that may still be going on.
    const epochs = this.#body.epochs.map(({ rekeyOf: _rekeyOf, ...epoch }) => epoch);
    const chosen = epochs.filter((epoch) => epoch.id === id);
    await this.#write({ ...this.#body, epochs: [...epochs.filter((epoch) => epoch.id !== id), ...chosen] });
  }

  #current(): Epoch {
    const { epoch } = this;
    if (epoch === undefined) throw new Error("the share file has no epoch");
    return epoch;
  }

  async #write(body: ShareFileBody): Promise<void> {
    const text = serialiseDocument(body, this.#macKey());
    await this.#effects.writeShareFile(text);
    if ((await this.#effects.readShareFile()) !== text)
      throw damaged(this.#path, "what was written does not read back");
    this.#body = body;
  }

  #macKey(): Buffer {
    return deriveBytes(this.#masterKey, LABELS.vaultShareFileMac, 32);
  }
}
