import * as pulumi from "@pulumi/pulumi";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../../errors.ts";
import { NotReadyError, type Driver, type DriverSet } from "../../../sandbox/engine/driver.ts";
import { destroy, preview, up, type Digest, type EngineOptions } from "../../../sandbox/engine/engine.ts";
import type { EngineEvent } from "../../../sandbox/engine/journal.ts";
import { describeEvent } from "../../../sandbox/engine/report.ts";
import { Seal } from "../../../sandbox/engine/seal.ts";
import { writeStateFile } from "../../../sandbox/engine/state-file.ts";
import type { Properties } from "../../../sandbox/engine/values.ts";

export const PASSPHRASE = Buffer.from("correct-horse-battery-staple");

export interface ThingArgs {
  /** name of its file; a change needs a new thing */
  key: pulumi.Input<string>;
  value?: pulumi.Input<pulumi.Input<string> | number>;
  note?: pulumi.Input<string | undefined>;
  tags?: pulumi.Input<pulumi.Input<string>[]>;
  nested?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** recorded by an update and never applied */
  frozen?: pulumi.Input<string>;
  fail?: pulumi.Input<string>;
  /** made, but never good */
  sick?: pulumi.Input<boolean>;
  sleepMs?: pulumi.Input<number>;
}

/** A resource whose objects are files: the world that the engine's behaviour is tested on. */
export class Thing extends pulumi.CustomResource {
  declare readonly key: pulumi.Output<string>;
  declare readonly value: pulumi.Output<string>;
  declare readonly note: pulumi.Output<string | undefined>;
  /** known only once it is made */
  declare readonly serial: pulumi.Output<string>;
  declare readonly password: pulumi.Output<string>;

  constructor(name: string, args: ThingArgs, opts?: pulumi.CustomResourceOptions) {
    super(
      "test:index:Thing",
      name,
      { value: undefined, note: undefined, serial: undefined, password: undefined, ...args },
      opts,
    );
  }
}

export class Group extends pulumi.ComponentResource {
  constructor(name: string, opts?: pulumi.ComponentResourceOptions) {
    super("test:index:Group", name, {}, opts);
  }
}

export class ThingProvider extends pulumi.ProviderResource {
  constructor(name: string, args: { endpoint: pulumi.Input<string> }) {
    super("test", name, args);
  }
}

/** A directory of things, the state of one stack, and the engine on both. */
export class World {
  readonly directory: string;
  readonly stateFile: string;
  readonly #things: string;
  readonly #calls: string;
  /** told of every moment at which something is about to be done or has just been done */
  onMoment: (what: string) => void = () => undefined;
  /** most steps that were seen at once */
  busiest = 0;
  #busy = 0;
  readonly #serials = new Map<string, number>();

  /** A world that is there. */
  constructor(directory: string) {
    this.directory = directory;
    this.stateFile = join(directory, "state", "sandbox.json");
    this.#things = join(directory, "things");
    this.#calls = join(directory, "calls.log");
  }

  /** The key of the state file is derived at little cost, so that the tests take the time of what they test. */
  static async create(): Promise<World> {
    const world = new World(mkdtempSync(join(tmpdir(), "engine-")));
    mkdirSync(world.#things, { recursive: true });
    mkdirSync(join(world.directory, "state"));
    writeFileSync(world.stateFile, writeStateFile("sandbox", await Seal.create(PASSPHRASE, 16), [], {}));
    return world;
  }

  dispose(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Things that exist, as `key=value`. */
  get things(): string[] {
    return readdirSync(this.#things)
      .toSorted()
      .map((key) => `${key}=${readFileSync(join(this.#things, key), "utf8")}`);
  }

  /** What the driver was asked to do since the last look, in order. */
  takeCalls(): string[] {
    const calls = existsSync(this.#calls) ? readFileSync(this.#calls, "utf8").trim().split("\n") : [];
    rmSync(this.#calls, { force: true });
    return calls;
  }

  get stateText(): string {
    return readFileSync(this.stateFile, "utf8");
  }

  get state(): { resources: { name: string; condition: string; urn: string }[] } {
    return JSON.parse(this.stateText);
  }

  /** Puts something else into one record, as an interruption would have left it. */
  editState(name: string, change: Record<string, unknown>): void {
    const state = JSON.parse(this.stateText) as { resources: { name: string }[] };
    state.resources = state.resources.map((each) => (each.name === name ? { ...each, ...change } : each));
    writeFileSync(this.stateFile, JSON.stringify(state));
  }

  up(program: () => unknown, options: Partial<EngineOptions> = {}): Promise<Digest> {
    return up({ ...this.#options(program), ...options });
  }

  destroy(program: () => unknown, options: Partial<EngineOptions> & { unprotect?: boolean } = {}): Promise<Digest> {
    return destroy({ ...this.#options(program), ...options });
  }

  /** What a preview prints, line by line, with its digest. */
  async preview(program: () => unknown): Promise<{ lines: string[]; digest: Digest }> {
    const lines: string[] = [];
    const onEvent = (event: EngineEvent): void => void lines.push(...describeEvent(event));
    const digest = await preview({ ...this.#options(program), onEvent });
    return { lines, digest };
  }

  #options(program: () => unknown): EngineOptions {
    return {
      program,
      stack: "sandbox",
      config: {},
      stateFile: this.stateFile,
      passphrase: PASSPHRASE,
      drivers: this.drivers,
    };
  }

  readonly drivers: DriverSet = {
    get: (type) => ({ "test:index:Thing": this.#thing, "pulumi:providers:test": PROVIDER })[type],
    close: () => undefined,
  };

  readonly #thing: Driver = {
    inputs: ["key", "value", "note", "tags", "nested", "frozen", "fail", "sick", "sleepMs"],
    replaceOn: ["key"],
    neverApplied: ["frozen"],
    unordered: ["tags"],
    changedByUpdate: ["serial"],
    collides: (before, after) => before["key"] === after["key"],
    create: (inputs, { provider }) =>
      this.#work("create", inputs, () => {
        writeFileSync(join(this.#things, String(inputs["key"])), describe(inputs, provider));
        const created = { id: `id-${String(inputs["key"])}`, outputs: this.#outputs(inputs) };
        if (inputs["sick"]) throw new NotReadyError(created, new UserError("thing: not well", "look at it"));
        return created;
      }),
    update: (_existing, inputs, changes) =>
      this.#work(`update (${changes.map(({ path }) => path).join(" ")})`, inputs, () => {
        writeFileSync(join(this.#things, String(inputs["key"])), describe(inputs));
        return this.#outputs(inputs);
      }),
    remove: ({ inputs }) =>
      this.#work("remove", inputs, () => {
        rmSync(join(this.#things, String(inputs["key"])), { force: true });
      }),
  };

  #outputs(inputs: Properties): Properties {
    const key = String(inputs["key"]);
    const serial = (this.#serials.get(key) ?? 0) + 1;
    this.#serials.set(key, serial);
    return { serial: `${key}-${serial}`, password: `password-of-${key}` };
  }

  async #work<T>(what: string, inputs: Properties, action: () => T): Promise<T> {
    this.onMoment(`before ${what} ${String(inputs["key"])}`);
    appendFileSync(this.#calls, `${what} ${String(inputs["key"])}\n`);
    this.#busy += 1;
    this.busiest = Math.max(this.busiest, this.#busy);
    await sleep(Number(inputs["sleepMs"] ?? 1));
    this.#busy -= 1;
    // "stuck" is what cannot be removed
    if (typeof inputs["fail"] === "string" && (inputs["fail"] === "stuck") === (what === "remove"))
      throw new UserError(`thing: ${inputs["fail"]}`, "mend it");
    const result = action();
    this.onMoment(`after ${what} ${String(inputs["key"])}`);
    return result;
  }
}

const PROVIDER: Driver = {
  inputs: ["endpoint"],
  replaceOn: [],
  create: () => Promise.resolve({ id: "provider-id", outputs: {} }),
  update: () => Promise.resolve({}),
};

function describe({ value, note }: Properties, provider?: Properties): string {
  return [value, note, provider?.["endpoint"]].filter((part) => part !== undefined).join(" ");
}
