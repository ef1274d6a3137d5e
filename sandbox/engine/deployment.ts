import { Slots } from "../slots.ts";
import type { Applier } from "./applier.ts";
import type { DriverSet } from "./driver.ts";
import type { Journal, Subject } from "./journal.ts";
import { dependentReplacements, planResource, previewOutputs, protectedError, type Plan } from "./plan.ts";
import type { Redactor } from "./redactor.ts";
import type { Registration } from "./registration.ts";
import { dependentsFirst, dependsOn } from "./removal.ts";
import type { ResourceState, State } from "./state.ts";
import { hasUnknown, UNKNOWN, type Properties } from "./values.ts";

/** What the program gets back for a resource. */
export interface Reply {
  readonly urn: string;
  /** empty while it is not known */
  readonly id: string;
  readonly outputs: Properties;
  /** the resource was not made: all its outputs are unknown, and what needs them is not made either */
  readonly unknown: boolean;
}

/** What a deployment works with. */
export interface DeploymentParts {
  readonly state: State;
  readonly drivers: DriverSet;
  readonly applier: Applier;
  readonly journal: Journal;
  readonly redactor: Redactor;
  /** decide and tell, touch nothing */
  readonly dryRun: boolean;
  /** how many steps may run at once */
  readonly parallel: number;
  /** aborted: finish what runs, begin nothing new */
  readonly signal: AbortSignal;
}

/** Brings one program's resources about, as the program registers them. */
export class Deployment {
  readonly #parts: DeploymentParts;
  readonly #slots: Slots;
  readonly #goals = new Map<string, Registration>();
  /** failed or skipped; nothing that depends on them is tried */
  readonly #broken = new Set<string>();
  /** gone before their own registration, because what they are made from is being replaced */
  readonly #displaced = new Set<string>();

  constructor(parts: DeploymentParts) {
    this.#parts = parts;
    this.#slots = new Slots(parts.parallel);
  }

  /** Makes the resource what the program wants it to be. Never throws: a failure is one resource's matter. */
  async register(wanted: Registration): Promise<Reply> {
    const parent = this.#goals.get(wanted.parent);
    // What a component waits for, its children wait for too, and go before it; they name the component, which is no record.
    const inherited = parent && !parent.custom ? parent.dependencies : [];
    const goal: Registration = {
      ...wanted,
      dependencies: [...new Set([...wanted.dependencies, ...inherited])],
      retainOnDelete: wanted.retainOnDelete ?? parent?.retainOnDelete,
      deletedWith: wanted.deletedWith || (parent?.deletedWith ?? ""),
    };
    if (this.#goals.has(goal.urn)) return this.fail(goal, new Error(`two resources have the URN ${goal.urn}`));
    this.#goals.set(goal.urn, goal);
    if (!goal.custom) return { urn: goal.urn, id: "", outputs: {}, unknown: false };
    this.#parts.redactor.learn(goal.inputs);
    const broken = [goal.parent, goal.provider, ...goal.dependencies].find((urn) => this.#broken.has(urn));
    if (broken !== undefined) return this.#skip(goal, `${nameOf(broken)} is missing`);
    if (!this.#parts.dryRun && hasUnknown(goal.inputs)) return this.#skip(goal, "an input of it is missing");
    try {
      return await this.#settle(goal);
    } catch (error) {
      return this.fail(goal, error);
    }
  }

  /** Reports a failure and answers the program so that it goes on without this resource. */
  fail(subject: Subject & { readonly inputs?: Properties }, error: unknown): Reply {
    this.#parts.journal.failed(subject, error);
    return this.#giveUp(subject);
  }

  /** Deletes what is recorded and was not registered. Only to be called when all went well: else it may be yet to come. */
  async removeAbsent(): Promise<void> {
    const { state, dryRun } = this.#parts;
    // A creation that a former run began and this one had no use for; a preview cannot know yet whether it has.
    const leftOver = (each: ResourceState): boolean => each.condition === "creating" && !dryRun;
    await this.removeAll(
      state.resources.filter((each) => !this.#goals.has(each.urn) || each.condition === "condemned" || leftOver(each)),
    );
  }

  /** Deletes resources, dependents first; what a failed one depends on stays. */
  async removeAll(doomed: readonly ResourceState[]): Promise<void> {
    const left: ResourceState[] = [];
    for (const wave of dependentsFirst(doomed)) {
      await Promise.all(
        wave.map(async (record) => {
          const user = left.find((other) => dependsOn(other, record));
          if (user) this.#parts.journal.skipped(record, `${user.name} is still there`);
          const gone = !user && (await this.#removeOne(record, doomed));
          if (!gone) left.push(record);
        }),
      );
    }
  }

  async #settle(goal: Registration): Promise<Reply> {
    const { applier, state, journal, dryRun } = this.#parts;
    const driver = applier.driver(goal);
    applier.check(goal);
    const old = this.#displaced.has(goal.urn) ? undefined : state.live(goal.urn);
    const plan = planResource(goal, old, driver);
    if (plan.operation === "same" && old) {
      journal.same();
      return reply(applier.keep(goal, old, plan.inputs));
    }
    const operation = this.#displaced.has(goal.urn) ? "replace" : plan.operation;
    if (dryRun) {
      const reasons = operation === plan.operation ? plan.reasons : ["what it is made from is replaced"];
      journal.planned(operation, goal, plan.changes, reasons);
      if (plan.deleteFirst) this.#displace(goal.urn);
      const id = operation === "update" ? (old?.id ?? "") : "";
      return { urn: goal.urn, id, outputs: previewOutputs(plan, old, driver), unknown: false };
    }
    return this.#slots.run(async () => {
      if (this.#parts.signal.aborted) return this.#skip(goal, "interrupted");
      const made = await journal.step(operation, goal, () => this.#apply(goal, plan, old));
      this.#parts.redactor.learn(made.outputs);
      return reply(made);
    });
  }

  async #apply(goal: Registration, plan: Plan, old: ResourceState | undefined): Promise<ResourceState> {
    const { applier } = this.#parts;
    if (plan.operation === "update" && old) return applier.update(goal, old, plan.inputs, plan.changes);
    if (!old || !plan.deleteFirst) return applier.create(goal, plan.inputs, old);
    for (const dependent of this.#displace(goal.urn).toReversed()) {
      await this.#parts.journal.step("delete", dependent, () => this.#dispose(dependent), false);
    }
    await this.#dispose(old);
    return applier.create(goal, plan.inputs);
  }

  /** Marks what has to go before `urn` is replaced. @throws UserError when something of it is protected */
  #displace(urn: string): ResourceState[] {
    const { state, drivers } = this.#parts;
    const waiting = state.resources.filter((each) => each === state.live(each.urn) && !this.#goals.has(each.urn));
    const dependents = dependentReplacements(urn, waiting, (type) => drivers.get(type));
    const guarded = dependents.find((each) => each.protect);
    if (guarded) throw protectedError(guarded, `it would be replaced together with ${nameOf(urn)}`);
    for (const dependent of dependents) this.#displaced.add(dependent.urn);
    return dependents;
  }

  async #removeOne(record: ResourceState, doomed: readonly ResourceState[]): Promise<boolean> {
    const { applier, journal, dryRun, signal } = this.#parts;
    try {
      if (record.protect && record.condition !== "condemned") throw protectedError(record, "it would be deleted");
      if (dryRun) {
        journal.planned("delete", record, [], []);
        return true;
      }
      const goesWith = doomed.some((other) => other.urn === record.deletedWith && !other.retainOnDelete);
      return await this.#slots.run(async () => {
        if (signal.aborted) {
          journal.skipped(record, "interrupted");
          return false;
        }
        if (record.retainOnDelete || goesWith) {
          await applier.forget(record);
          journal.retained(record);
        } else await journal.step("delete", record, () => applier.remove(record));
        return true;
      });
    } catch (error) {
      journal.failed(record, error);
      return false;
    }
  }

  /** Makes room for a replacement: deletes the object or, where it is to be kept, only its record. */
  #dispose(record: ResourceState): Promise<void> {
    const { applier } = this.#parts;
    return record.retainOnDelete ? applier.forget(record) : applier.remove(record);
  }

  #skip(goal: Registration, because: string): Reply {
    this.#parts.journal.skipped(goal, because);
    return this.#giveUp(goal);
  }

  #giveUp(subject: Subject & { readonly inputs?: Properties }): Reply {
    this.#broken.add(subject.urn);
    const outputs = Object.fromEntries(Object.keys(subject.inputs ?? {}).map((key) => [key, UNKNOWN]));
    return { urn: subject.urn, id: "", outputs, unknown: true };
  }
}

function reply({ urn, id, outputs }: ResourceState): Reply {
  return { urn, id, outputs, unknown: false };
}

function nameOf(urn: string): string {
  return urn.split("::")[3] ?? urn;
}
