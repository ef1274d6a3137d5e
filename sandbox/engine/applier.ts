import { EXIT, UserError } from "../../errors.ts";
import type { Change } from "./diff.ts";
import { NotReadyError, type Created, type Driver, type DriverContext, type DriverSet } from "./driver.ts";
import type { Registration } from "./registration.ts";
import type { Condition, ResourceState, State } from "./state.ts";
import { hasSecret, revealAll, secret, type Properties } from "./values.ts";

/**
 * Changes the world, one object at a time, and never without having written down before what it is about to do. Whatever
 * kills the process, the next run finds in the state file what may have happened and repeats or undoes it.
 */
export class Applier {
  readonly #state: State;
  readonly #drivers: DriverSet;

  constructor(state: State, drivers: DriverSet) {
    this.#state = state;
    this.#drivers = drivers;
  }

  /**
   * The driver of a type.
   *
   * @throws UserError naming a type that no driver makes
   */
  driver(subject: { type: string; name: string }): Driver {
    const driver = this.#drivers.get(subject.type);
    if (driver) return driver;
    throw new UserError(
      `${subject.type} ${subject.name}: the sandbox's engine does not know this resource type`,
      "use the Pulumi CLI (FOUNDATION_ENGINE=pulumi npm run sandbox)",
    );
  }

  /** Refuses inputs that would be ignored or that the driver knows to be wrong. */
  check(goal: Registration): void {
    const driver = this.driver(goal);
    const unknown = Object.keys(goal.inputs).filter((input) => !driver.inputs.includes(input));
    if (unknown.length > 0) {
      throw new UserError(
        `${goal.type} ${goal.name}: the sandbox's engine does not know the input ${unknown.join(", ")}`,
        "use the Pulumi CLI (FOUNDATION_ENGINE=pulumi npm run sandbox), or do without it",
      );
    }
    if (driver.needsProvider && goal.provider === "") {
      throw new UserError(
        `${goal.type} ${goal.name}: has no explicit provider, and default providers are disabled`,
        "pass `provider` to the resource or to the component that it belongs to",
      );
    }
    driver.check?.(revealAll(goal.inputs), this.#context(goal, goal.provider, null));
  }

  /**
   * Makes the object.
   *
   * @param replaced record of the object that it replaces and that is still there; from now on it is condemned
   */
  async create(goal: Registration, inputs: Properties, replaced?: ResourceState): Promise<ResourceState> {
    const driver = this.driver(goal);
    const interrupted = this.#state.begun(goal.urn);
    const begun = this.#state.put(record(goal, inputs, "creating"), interrupted);
    await this.#state.save();
    const finish = async ({ id, outputs }: Created, condition: Condition): Promise<ResourceState> => {
      if (replaced) this.#state.put({ ...replaced, condition: "condemned" }, replaced);
      const made = { ...begun, id, condition, outputs: withSecrets(goal, driver, inputs, outputs) };
      this.#state.put(made, begun);
      await this.#state.save();
      return made;
    };
    try {
      const context = this.#context(goal, goal.provider, goal.timeoutSeconds.create);
      const created = await inTime(context, driver.create(revealAll(inputs), context));
      return await finish(created, "ready");
    } catch (error) {
      // Somebody else's: a record of it would one day be a reason to delete it.
      if (error instanceof UserError && error.exitCode === EXIT.refused) await this.forget(begun);
      if (!(error instanceof NotReadyError)) throw error;
      await finish(error.created, "tainted");
      throw error.cause;
    }
  }

  /** Changes the object in place. Until it has succeeded, the record keeps the old inputs. */
  async update(
    goal: Registration,
    old: ResourceState,
    inputs: Properties,
    changes: readonly Change[],
  ): Promise<ResourceState> {
    const driver = this.driver(goal);
    if (!driver.update) throw new Error(`${goal.type} cannot be updated`);
    const begun = this.#state.put({ ...old, condition: "updating" }, old);
    await this.#state.save();
    const context = this.#context(goal, goal.provider, goal.timeoutSeconds.update);
    const outputs = await inTime(context, driver.update(existing(old), revealAll(inputs), changes, context));
    const made = {
      ...record(goal, inputs, "ready"),
      id: old.id,
      outputs: withSecrets(goal, driver, inputs, outputs),
    };
    this.#state.put(made, begun);
    await this.#state.save();
    return made;
  }

  /** Nothing to do for the object; its record follows what the program says beside the inputs. */
  keep(goal: Registration, old: ResourceState, inputs: Properties): ResourceState {
    const { id, condition } = old;
    const outputs = withSecrets(goal, this.driver(goal), inputs, old.outputs);
    return this.#state.put({ ...record(goal, inputs, condition), id, outputs }, old);
  }

  /** Deletes the object and forgets it. */
  async remove(old: ResourceState): Promise<void> {
    const driver = this.driver(old);
    const begun = this.#state.put({ ...old, condition: old.condition === "condemned" ? "condemned" : "deleting" }, old);
    await this.#state.save();
    const context = this.#context(old, old.provider, old.deleteSeconds);
    await inTime(context, driver.remove?.(existing(old), context) ?? Promise.resolve());
    await this.forget(begun);
  }

  /** Forgets an object that stays where it is. */
  async forget(old: ResourceState): Promise<void> {
    this.#state.remove(old);
    await this.#state.save();
  }

  #context(subject: { type: string; name: string }, provider: string, seconds: number | null): DriverContext {
    const configured = provider === "" ? undefined : this.#state.live(provider)?.inputs;
    return {
      label: `${subject.type} ${subject.name}`,
      name: subject.name,
      ...(configured ? { provider: revealAll(configured) } : {}),
      ...(seconds === null ? {} : { signal: AbortSignal.timeout(seconds * 1000) }),
    };
  }
}

function record(goal: Registration, inputs: Properties, condition: Condition): ResourceState {
  const { urn, type, name, parent, provider, dependencies, propertyDependencies, deletedWith, protect } = goal;
  return {
    ...{ urn, type, name, id: "", condition, inputs, outputs: inputs, parent, provider, dependencies },
    ...{ propertyDependencies, deletedWith, protect },
    retainOnDelete: goal.retainOnDelete ?? false,
    replaceOnChanges: goal.replaceOnChanges,
    replacementTrigger: goal.replacementTrigger,
    deleteSeconds: goal.timeoutSeconds.delete,
  };
}

/** An output is secret when the program or the driver says so, or when the input of its name is. */
function withSecrets(goal: Registration, driver: Driver, inputs: Properties, outputs: Properties): Properties {
  const declared = [...goal.additionalSecretOutputs, ...(driver.secretOutputs ?? [])];
  const known = { ...revealAll(outputs), ...inputs };
  return Object.fromEntries(
    Object.entries(known).map(([key, value]) => {
      const isSecret = declared.includes(key) || hasSecret(inputs[key]);
      return [key, isSecret ? secret(revealAll({ value })["value"] ?? null) : value];
    }),
  );
}

function existing(old: ResourceState): { id: string; inputs: Properties; outputs: Properties } {
  return { id: old.id, inputs: revealAll(old.inputs), outputs: revealAll(old.outputs) };
}

/** Waits no longer than `customTimeouts` allows; the driver gets the signal, and what it left is found by the next run. */
async function inTime<T>({ signal, label }: DriverContext, work: Promise<T>): Promise<T> {
  if (!signal) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const expire = (): void => {
    const hint = "see what it was waiting for, then run the same command again, or raise customTimeouts";
    reject(new UserError(`${label}: took longer than its customTimeouts allow`, hint, EXIT.failed));
  };
  signal.addEventListener("abort", expire);
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", expire);
  }
}
