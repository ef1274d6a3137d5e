import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { writeFileAtomically } from "../../keys/atomic-file.ts";
import { EXIT, UserError } from "../../errors.ts";
import { Seal } from "./seal.ts";
import { damaged, openStateFile, parseStateFile, writeStateFile } from "./state-file.ts";
import type { Properties, Value } from "./values.ts";

/**
 * What is known about the object behind a record:
 * - `ready`: it is there and as recorded
 * - `creating`, `updating`, `deleting`: written before that began; found at a start, it was interrupted or failed
 * - `tainted`: it is there and never became good
 * - `condemned`: another object has taken its place; it is still to be deleted
 */
export type Condition = "ready" | "creating" | "updating" | "deleting" | "tainted" | "condemned";

/** One resource as the state file remembers it. */
export interface ResourceState {
  readonly urn: string;
  readonly type: string;
  /** logical name, for messages */
  readonly name: string;
  /** the driver's id of the object; empty while it is being created */
  readonly id: string;
  readonly condition: Condition;
  readonly inputs: Properties;
  /** everything that is known of the object, inputs included */
  readonly outputs: Properties;
  /** URNs: parent, explicit provider, all dependencies, and those of single inputs */
  readonly parent: string;
  readonly provider: string;
  readonly dependencies: readonly string[];
  readonly propertyDependencies: Readonly<Record<string, readonly string[]>>;
  readonly deletedWith: string;
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  readonly replaceOnChanges: readonly string[];
  readonly replacementTrigger: Value;
  /** bound of a deletion, from `customTimeouts`; null where there is none */
  readonly deleteSeconds: number | null;
}

/** The state of one stack: what exists, kept in one file in which every secret is encrypted. */
export class State {
  readonly path: string;
  #resources: ResourceState[];
  #outputs: Properties;
  readonly #stack: string;
  readonly #seal: Seal;
  #changed = false;
  #writing: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** Where a file may exist, use {@link load}. */
  constructor(path: string, stack: string, seal: Seal, resources: readonly ResourceState[] = [], outputs = {}) {
    this.path = path;
    this.#stack = stack;
    this.#seal = seal;
    this.#resources = [...resources];
    this.#outputs = outputs;
  }

  /**
   * Reads a state file; where there is none, the state is empty and the file comes with the first save.
   *
   * @throws UserError (passphrase) when the passphrase does not open it, (failed) when it is damaged
   */
  static async load(path: string, stack: string, passphrase: Buffer): Promise<State> {
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (text === undefined) return new State(path, stack, await Seal.create(passphrase));
    const file = parseStateFile(path, text);
    if (file.stack !== stack) throw damaged(path, `it belongs to the stack ${file.stack}, not ${stack}`);
    const seal = await Seal.open(file.seal, passphrase);
    if (!seal) {
      throw new UserError(
        `state ${path}: the passphrase does not open it`,
        "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the passphrase this stack was created with",
        EXIT.passphrase,
      );
    }
    const { resources, outputs } = openStateFile(path, file, seal);
    return new State(path, stack, seal, resources, outputs);
  }

  /** All records, in the order in which the resources were first registered. */
  get resources(): readonly ResourceState[] {
    return this.#resources;
  }

  /** The stack's outputs of the last run that got to its end. */
  get outputs(): Properties {
    return this.#outputs;
  }

  /** The record of the object that currently is this resource. */
  live(urn: string): ResourceState | undefined {
    return this.#resources.find((each) => each.urn === urn && !["creating", "condemned"].includes(each.condition));
  }

  /** The record written before the creation of this resource's (next) object began. */
  begun(urn: string): ResourceState | undefined {
    return this.#resources.find((each) => each.urn === urn && each.condition === "creating");
  }

  /** Puts `next` in the place of `previous`, or at the end, and returns what is there then. Lasts only once saved. */
  put(next: ResourceState, previous?: ResourceState): ResourceState {
    const at = previous ? this.#resources.indexOf(previous) : -1;
    const current = this.#resources[at];
    if (current && isDeepStrictEqual(current, next)) return current;
    if (at < 0) this.#resources.push(next);
    else this.#resources[at] = next;
    this.#changed = true;
    return next;
  }

  /** Forgets a record. Lasts only once saved. */
  remove(record: ResourceState): void {
    this.#resources = this.#resources.filter((each) => each !== record);
    this.#changed = true;
  }

  /** Lasts only once saved. */
  setOutputs(outputs: Properties): void {
    if (isDeepStrictEqual(this.#outputs, outputs)) return;
    this.#outputs = outputs;
    this.#changed = true;
  }

  /**
   * Writes everything to disk and returns when it is there. Callers that come while a write is under way share the
   * next one, which is what lets parallel steps proceed at the speed of the disk.
   */
  async save(): Promise<void> {
    if (!this.#changed) return this.#writing;
    this.#next ??= this.#writeNext();
    return this.#next;
  }

  async #writeNext(): Promise<void> {
    await this.#writing?.catch(() => undefined);
    this.#next = undefined;
    this.#writing = this.#write();
    return this.#writing;
  }

  async #write(): Promise<void> {
    this.#changed = false;
    try {
      await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
      const text = writeStateFile(this.#stack, this.#seal, this.#resources, this.#outputs);
      await writeFileAtomically(this.path, text, true);
    } catch (error) {
      this.#changed = true;
      throw error;
    }
  }
}
