import { randomBytes, randomUUID } from "node:crypto";
import { EXIT, UserError } from "../../errors.ts";
import { type AppRoleCredentials, deriveSecrets } from "../../keys/derive.ts";
import { type Effects, type Pgp, VaultUnavailable } from "../../unseal-helper/effects.ts";
import { ensure, type EnsureResult } from "../../unseal-helper/ensure.ts";
import { type Epoch, parseShareFile } from "../../unseal-helper/share-file.ts";
import { ShareStore } from "../../unseal-helper/share-store.ts";
import type { Seed } from "../../unseal-helper/seed.ts";
import type { Tools } from "../../unseal-helper/unseal.ts";
import { VaultClient } from "../../unseal-helper/vault-client.ts";
import { openSecret, sealSecret } from "../../keys/sealed-box.ts";
import { answerEncrypted } from "./encrypted-init.ts";
import { type Brought, fakeSeed } from "./fake-seed.ts";
import { copyStorage, FakeVault } from "./fake-vault.ts";

export const MASTER_KEY = Buffer.alloc(32, 3);
const { vaultAppRole } = deriveSecrets(MASTER_KEY);
export const CREDENTIALS = vaultAppRole("pulumi");
export const READERS = { backup: vaultAppRole("backup"), ci: vaultAppRole("ci") };
export const TARGET = { address: "vm.test", user: "root", port: 22, hostKey: "ssh-ed25519 AAAA" };
export const ENSURE = { target: TARGET, credentials: CREDENTIALS, readers: READERS, jobLogin: "actions" };
export const SHARE_FILE = "keys/stacks/prod.shares.json";

// Thousands of initialisations: PGP itself is tested in pgp.test.ts and against the real Vault.
const fastPgp: Pgp = {
  newPrivateKey: () => Promise.resolve(randomBytes(32)),
  publicKeyOf: (key) => Promise.resolve(key.toString("base64")),
  decrypt: (key, message) => {
    const secret = openSecret(key, "pgp", message.toString("base64"));
    return secret === undefined ? Promise.reject(new Error("not for this key")) : Promise.resolve(secret);
  },
};
const fastEncrypt = (key: string, text: string): Promise<string> =>
  Promise.resolve(sealSecret(Buffer.from(key, "base64"), "pgp", Buffer.from(text)));

/** The process is gone: nothing after this effect happens. */
export class Killed extends Error {}

/**
 * How an effect goes wrong. `before` and `after`: the process is killed there; the others it lives to see as errors:
 *
 * - `lost`: done, but no answer comes; `truncated`: half an answer, which is all that the VM has kept as well
 * - `dropped`: not done, the connection to the VM broke
 * - `full` and `denied`: not done, ENOSPC and EACCES; `unsynced`: done, but the disk says that it failed
 */
export type Strike = "before" | "after" | "lost" | "truncated" | "dropped" | "full" | "denied" | "unsynced";

/** When and how an effect goes wrong; `undefined` lets it through. */
export type Fault = (count: number, name: string) => Strike | undefined | Promise<undefined>;

/** Does something under a name, unless the run is struck there. */
export type Effect = <T>(name: string, act: () => T | Promise<T>) => Promise<T>;

/** What a run works with. */
export type SeededTools = Tools & { readonly seed: Seed };

/** One VM with its Vault, and the operator's disk. */
export class FakeWorld {
  vault = new FakeVault();
  running = true;
  marker: string | undefined;
  /** what sys/init answered, on the VM's disk */
  spool: { epochId: string; text: string } | undefined;
  file: string | undefined;
  /** what a rebuild has brought onto the VM */
  brought: Brought | undefined;
  locked = false;
  wipes = 0;
  isDataWiped = false;
  /** what the wall clock shows */
  date = new Date(0);
  log: string[] = [];
  /** names of the effects of the last run, in order */
  effects: string[] = [];
  readonly #masterKey: Buffer;
  readonly #credentials: AppRoleCredentials;

  constructor(masterKey: Buffer = MASTER_KEY) {
    this.#masterKey = masterKey;
    this.#credentials = masterKey === MASTER_KEY ? CREDENTIALS : deriveSecrets(masterKey).vaultAppRole("pulumi");
  }

  /** Another world that is as this one is now, for a test that needs hundreds of the same. */
  copy(): FakeWorld {
    const { file, marker, running, brought, vault } = this;
    const other = new FakeWorld(this.#masterKey);
    Object.assign(other, { file, marker, running, brought: structuredClone(brought) });
    const { sealed, version, storage, secrets } = vault;
    Object.assign(other.vault, { sealed, version, storage: copyStorage(storage) });
    other.vault.secrets.push(...secrets);
    return other;
  }

  /** One run of the helper, from a process start, that may be struck by a fault. */
  ensure(fault: Fault = () => undefined, newEpoch = false): Promise<EnsureResult> {
    const tools = this.tools(fault);
    // The lock is that of a process, and a new process has none.
    this.locked = false;
    return ensure(tools, { ...ENSURE, credentials: this.#credentials, seed: tools.seed, newEpoch });
  }

  /** Any other command, as {@link ensure}. */
  run<T>(command: (tools: SeededTools) => Promise<T>, fault?: Fault): Promise<T> {
    const tools = this.tools(fault);
    this.locked = false;
    return command(tools);
  }

  /** A command of somebody else with another copy of the share file, while one is at work; returns the copy. */
  async runBeside(
    file: string | undefined,
    command: (tools: SeededTools) => Promise<unknown>,
  ): Promise<string | undefined> {
    const own = this.file;
    this.file = file;
    await command(this.tools()).catch((error: unknown) => this.log.push(String(error)));
    const theirs = this.file;
    this.file = own;
    return theirs;
  }

  /** what the share file says */
  epochs(): Epoch[] {
    return this.file === undefined ? [] : [...parseShareFile(SHARE_FILE, this.file).body.epochs];
  }

  tools(fault: Fault = () => undefined): SeededTools {
    const effect = this.#effect(fault);
    const effects = this.#seam(effect);
    const store = new ShareStore(SHARE_FILE, "prod", this.#masterKey, effects);
    const seed = fakeSeed(this, effect);
    return { effects, store, seed, vault: new VaultClient((request) => effects.requestVault(request)) };
  }

  #effect(fault: Fault): Effect & { isDead(): boolean } {
    const names: string[] = [];
    this.effects = names;
    let dead = false;
    const effect = async <T>(name: string, act: () => T | Promise<T>): Promise<T> => {
      if (dead) throw new Killed();
      names.push(name);
      const strike = await fault(names.length, name);
      dead = strike === "before" || strike === "after";
      throwInstead(strike);
      const result = await act();
      if (strike === "truncated" && name === "initialise" && this.spool) {
        this.spool.text = this.spool.text.slice(0, this.spool.text.length / 2);
      }
      throwAfter(strike);
      return result;
    };
    return Object.assign(effect, { isDead: () => dead });
  }

  #seam(effect: Effect & { isDead(): boolean }): Effects {
    let clock = 0;
    return {
      readShareFile: () => effect("read file", () => this.file),
      writeShareFile: (text) => effect("write file", () => void (this.file = text)),
      requestVault: (request) =>
        effect(`${request.method} ${request.path}`, () => {
          if (!this.running) throw new VaultUnavailable("connection refused");
          if (this.vault.hangs) throw new VaultUnavailable("no answer for 5 s");
          return structuredClone(this.vault.answer(request));
        }),
      readMarker: () => effect("read marker", () => this.marker),
      writeMarker: (marker) => effect("write marker", () => void (this.marker = marker)),
      initialiseVault: ({ epochId, n, t, pgpPublicKey: key }) =>
        effect("initialise", async () => {
          if (!this.running) throw new VaultUnavailable("connection refused");
          const body = { secret_shares: n, secret_threshold: t, pgp_keys: Array(n).fill(key), root_token_pgp_key: key };
          const answer = await answerEncrypted(this.vault, { method: "PUT", path: "sys/init", body }, fastEncrypt);
          if (answer.status !== 200) throw new UserError(`vault: sys/init: answered ${answer.status}`, "", EXIT.failed);
          this.spool = { epochId, text: JSON.stringify(answer.body) };
          return this.spool.text;
        }),
      readSpool: (epochId) =>
        effect("read spool", () => (this.spool?.epochId === epochId ? this.spool.text : undefined)),
      shredSpool: () => effect("shred spool", () => void (this.spool = undefined)),
      stopVault: () => effect("stop", () => void (this.running = false)),
      startVault: () => effect("start", () => this.#start()),
      restartVault: () => effect("restart", () => this.vault.restart()),
      openEndpoint: (family) => effect(`open ${family}`, () => void (this.vault.openFamilies = [family])),
      closeEndpoints: () => effect("close", () => void (this.vault.openFamilies = [])),
      wipeVolume: (marker) => effect("wipe", () => this.#wipe(marker)),
      withHostLock: async (work) => {
        await effect("lock", () => this.#lock());
        return await work().finally(() => (this.locked = effect.isDead() && this.locked));
      },
      sleep: (milliseconds) => effect("sleep", () => void (clock += milliseconds)),
      monotonicNow: () => clock,
      now: () => this.date,
      newId: () => randomUUID(),
      pgp: fastPgp,
      log: (line) => this.log.push(line),
    };
  }

  #start(): void {
    if (!this.running) this.vault.restart();
    this.running = true;
  }

  #lock(): void {
    if (this.locked) throw new UserError("vm: somebody else is at work on Vault", "wait", EXIT.refused);
    this.locked = true;
  }

  #wipe(marker: string): void {
    if (this.running || this.marker !== marker) throw new Error("a wipe that vault-host.sh refuses");
    // What a restore has put there is in the snapshot as well.
    this.isDataWiped ||= this.vault.storage?.hasData === true && !marker.endsWith(" RESTORE");
    if (this.isDataWiped) throw new Error("DATA WIPED");
    this.vault.storage = undefined;
    this.marker = undefined;
    this.spool = undefined;
    this.wipes++;
  }
}

function throwInstead(strike: Strike | undefined): void {
  if (strike === "before") throw new Killed();
  if (strike === "dropped") throw new UserError("vm vm.test: cannot be reached: broken pipe", "ssh", EXIT.unreachable);
  if (strike === "full") throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  if (strike === "denied") throw Object.assign(new Error("permission denied"), { code: "EACCES" });
}

function throwAfter(strike: Strike | undefined): void {
  if (strike === "after") throw new Killed();
  if (strike === "lost" || strike === "truncated") throw new VaultUnavailable("connection reset");
  if (strike === "unsynced") throw Object.assign(new Error("i/o error, fsync"), { code: "EIO" });
}

const ready = new Map<string, FakeWorld>();

/** A world after its first `ensure`, which is run once for each version of Vault; every caller gets a copy. */
export async function initialised(version = "0.0.0"): Promise<FakeWorld> {
  const world = ready.get(version) ?? new FakeWorld();
  if (!ready.has(version)) {
    world.vault.version = version;
    await world.ensure();
    ready.set(version, world);
  }
  return world.copy();
}
