import type { Change } from "./diff.ts";
import type { Properties, Value } from "./values.ts";

/** What a driver gets beside the inputs. Everything in it is revealed: drivers see no marks of secrets. */
export interface DriverContext {
  /** for messages: `docker:index/container:Container postgres` */
  readonly label: string;
  /** logical name */
  readonly name: string;
  /** inputs of the explicit provider, where the resource has one */
  readonly provider?: Properties;
  /** aborted when the time of `customTimeouts` is over */
  readonly signal?: AbortSignal;
}

/** An object that exists, as recorded. After an interrupted creation `id` is empty and `outputs` are the inputs. */
export interface Existing {
  readonly id: string;
  readonly inputs: Properties;
  readonly outputs: Properties;
}

/** An object that has been made. */
export interface Created {
  readonly id: string;
  /** what is known of the object beside its inputs */
  readonly outputs: Properties;
}

/**
 * Makes the objects of one resource type. It behaves as the real provider does where a program can tell the
 * difference, and does two things better, because the sandbox is killed and rebuilt all the time:
 * `create` takes over what an interrupted run of this foundation left, and `remove` is content when nothing is there.
 *
 * A `create` that throws a UserError with the exit code `refused` has touched nothing and leaves nothing to clean up.
 */
export interface Driver {
  /** inputs that it understands; any other is refused by name rather than ignored */
  readonly inputs: readonly string[];
  /** inputs whose change needs a new object */
  readonly replaceOn: readonly string[];
  /** inputs whose change the real provider records without applying it; refused unless `replaceOnChanges` covers them */
  readonly neverApplied?: readonly string[];
  /** inputs that are sets, by path without indices */
  readonly unordered?: readonly string[];
  /** outputs that are secret whatever the program says */
  readonly secretOutputs?: readonly string[];
  /** outputs that an update may change */
  readonly changedByUpdate?: readonly string[];
  /** whether it needs an explicit provider */
  readonly needsProvider?: boolean;

  /** Checks the inputs as far as they are known, without looking at anything. Throws a UserError. */
  readonly check?: (inputs: Properties, context: DriverContext) => void;

  /** Whether the new object would take the old one's place, so that the old one has to go first. */
  readonly collides?: (before: Properties, after: Properties) => boolean;

  /** Why the object has to be replaced though no input changed. */
  readonly isDue?: (existing: Existing) => string | undefined;

  /** Throws a UserError, or {@link NotReadyError} when the object is there and not good. */
  readonly create: (inputs: Properties, context: DriverContext) => Promise<Created>;

  /** Changes the object in place and returns all outputs. Without it every change replaces. */
  readonly update?: (
    existing: Existing,
    inputs: Properties,
    changes: readonly Change[],
    context: DriverContext,
  ) => Promise<Properties>;

  readonly remove?: (existing: Existing, context: DriverContext) => Promise<void>;
}

/** The drivers of a run and the connections that they share. */
export interface DriverSet {
  get(type: string): Driver | undefined;
  /** Closes connections and ends programs that still run. */
  close(): void;
}

/** The object exists and did not become good: it is remembered as tainted and replaced by the next run. */
export class NotReadyError extends Error {
  readonly created: Created;

  constructor(created: Created, cause: unknown) {
    super("created, but not ready", { cause });
    this.created = created;
  }
}

/** An input as text; `""` where there is none. That it is of the right type has been seen to by the program's compiler. */
export function text(value: Value | undefined): string {
  return typeof value === "object" || value === undefined ? "" : String(value);
}
