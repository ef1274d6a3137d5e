import * as pulumi from "@pulumi/pulumi";
import { STACK_TYPE, urnOf, type RegisterRequest } from "../sandbox/engine/registration.ts";

/** One resource as the program registered it. */
export interface Recorded {
  readonly type: string;
  readonly name: string;
  /** as the engine would give it: the types of all parents but the stack are part of it */
  readonly urn: string;
  /** URN of the parent; empty for the stack */
  readonly parent: string;
  /** false for a component */
  readonly custom: boolean;
  /** URN of the explicit provider, or empty */
  readonly provider: string;
  /** URNs, sorted; a component in `dependsOn` counts as the resources in it */
  readonly dependencies: readonly string[];
  /** URNs, sorted, by input property */
  readonly propertyDependencies: Readonly<Record<string, readonly string[]>>;
  /** inputs with secrets unwrapped; {@link UNKNOWN} stands for what a preview does not know */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** paths of the inputs that are secret, such as `envs[0]` or `connection` */
  readonly secrets: readonly string[];
  /** what a component gave to `registerOutputs` */
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  readonly deleteBeforeReplace: boolean;
  readonly replaceOnChanges: readonly string[];
  readonly ignoreChanges: readonly string[];
  readonly additionalSecretOutputs: readonly string[];
}

/** Everything that one run of a program registered. */
export interface Recording {
  /** sorted by URN; the stack itself is left out */
  readonly resources: readonly Recorded[];
  /** the stack's outputs, with secrets unwrapped */
  readonly outputs: Readonly<Record<string, unknown>>;
  /** paths of the stack's outputs that are secret */
  readonly secretOutputs: readonly string[];
  /** tokens of provider functions and of resources read, none of which a preview can do with everything down */
  readonly calls: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * - `preview`: nothing exists yet, so ids and computed outputs are unknown
 * - `repreview`: a preview where everything exists, so all values are known
 * - `up`
 */
export type Mode = "preview" | "repreview" | "up";

/** What a provider would compute. */
export type Computed = (type: string, name: string, inputs: Record<string, unknown>) => Record<string, unknown>;

interface Options {
  readonly mode: Mode;
  /** by full key, `foundation:domain` */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly computed?: Computed;
  /** `test` by default */
  readonly stack?: string;
}

/** How the SDK writes a value that is not known before `up`. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const PROJECT = "foundation";
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/**
 * Runs a program against the SDK's mocks and records what it registered: options, dependencies and secretness included,
 * which the mocks themselves do not show.
 *
 * @throws what the program throws
 */
export async function record(program: () => Promise<unknown>, options: Options): Promise<Recording> {
  const { mode, computed, stack = "test" } = options;
  const secretOutputs = new Map<string, readonly string[]>();
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        const given = inputs as Record<string, unknown>;
        const state = { ...given, ...(mode === "preview" ? {} : computed?.(type, name, given)) };
        // The engine does this; the mocks forget about it.
        for (const key of secretOutputs.get(`${type} ${name}`) ?? []) {
          if (key in state) state[key] = pulumi.secret(state[key]);
          else if (mode === "preview") state[key] = { [SIGNATURE]: SECRET, value: UNKNOWN };
        }
        return { id: mode === "preview" ? undefined : `${name}-id`, state };
      },
      call: () => ({}),
    },
    PROJECT,
    stack,
    mode !== "up",
  );
  const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
  const config = Object.entries(options.config ?? {}).map(([key, value]) => [key, text(value)]);
  pulumi.runtime.setAllConfig(Object.fromEntries(config) as Record<string, string>);
  const recorder = new Recorder(stack, secretOutputs);
  recorder.attach();
  const { stackTraceLimit } = Error;
  // The SDK takes a stack trace for every promise, and tests map each to its source: three quarters of the time.
  Error.stackTraceLimit = 0;
  /* eslint-disable no-console -- where the SDK's warnings go */
  const warn = console.warn;
  console.warn = (warning: unknown) => void recorder.warnings.push(String(warning));
  // Kept from the SDK, which would reject every promise of the stack and not only the one that is awaited here.
  let failure: { readonly error: unknown } | undefined;
  const guarded = async (): Promise<Record<string, unknown>> => {
    try {
      return (await program()) as Record<string, unknown>;
    } catch (error) {
      failure = { error };
      return {};
    }
  };
  try {
    await pulumi.runtime.runInPulumiStack(guarded);
    await pulumi.runtime.disconnect();
  } finally {
    console.warn = warn;
    /* eslint-enable */
    Error.stackTraceLimit = stackTraceLimit;
  }
  if (failure) throw failure.error;
  return recorder.recording();
}

type Draft = { -readonly [Key in keyof Recorded]: Recorded[Key] };

type Callback = (error: unknown, response?: unknown) => void;

/** A call of the SDK's resource monitor; the SDK does not type its wire messages. */
type Call<Request> = (request: Request, callback: Callback) => unknown;

interface Monitor {
  newUrn(parent: string, type: string, name: string): string;
  registerResource: Call<RegisterRequest>;
  registerResourceOutputs: Call<{ getUrn(): string; getOutputs(): { toJavaScript(): unknown } | undefined }>;
  invoke: Call<{ getTok(): string }>;
  readResource: Call<{ getType(): string }>;
}

class Recorder {
  readonly warnings: string[] = [];
  readonly #resources = new Map<string, Draft>();
  readonly #duplicates: Draft[] = [];
  readonly #calls: string[] = [];
  readonly #stack: string;
  readonly #secretOutputs: Map<string, readonly string[]>;

  constructor(stack: string, secretOutputs: Map<string, readonly string[]>) {
    this.#stack = stack;
    this.#secretOutputs = secretOutputs;
  }

  recording(): Recording {
    const all = [...this.#resources.values(), ...this.#duplicates];
    const outputs = all.find(({ type }) => type === STACK_TYPE)?.outputs ?? {};
    const paths: string[] = [];
    return {
      resources: all.filter(({ type }) => type !== STACK_TYPE).sort((a, b) => (a.urn < b.urn ? -1 : 1)),
      outputs: unwrap(outputs, "", paths) as Record<string, unknown>,
      secretOutputs: paths,
      calls: this.#calls,
      warnings: this.warnings,
    };
  }

  /** Puts itself between the SDK and the mocks. */
  attach(): void {
    const monitor = pulumi.runtime.getMonitor() as unknown as Monitor;
    monitor.newUrn = (parent, type, name) =>
      this.#urn({ getParent: () => parent, getType: () => type, getName: () => name });
    monitor.registerResource = heard(monitor, monitor.registerResource, (request) => {
      this.#register(request);
    });
    monitor.registerResourceOutputs = heard(monitor, monitor.registerResourceOutputs, (request) => {
      const resource = this.#resources.get(request.getUrn());
      if (resource) resource.outputs = (request.getOutputs()?.toJavaScript() ?? {}) as Record<string, unknown>;
    });
    monitor.invoke = heard(monitor, monitor.invoke, (request) => this.#calls.push(request.getTok()));
    monitor.readResource = heard(monitor, monitor.readResource, (request) =>
      this.#calls.push(`read ${request.getType()}`),
    );
  }

  #register(request: RegisterRequest): void {
    const secrets: string[] = [];
    const properties = [...request.getPropertydependenciesMap().entries()];
    const resource: Draft = {
      type: request.getType(),
      name: request.getName(),
      urn: this.#urn(request),
      parent: request.getParent(),
      custom: request.getCustom(),
      // A reference is `URN::ID`, and a URN has three `::` of its own.
      provider: request.getProvider().split("::").slice(0, 4).join("::"),
      dependencies: request.getDependenciesList().toSorted(),
      propertyDependencies: Object.fromEntries(
        properties
          .map(([key, value]): [string, string[]] => [key, value.getUrnsList().toSorted()])
          .filter(([, urns]) => urns.length > 0),
      ),
      inputs: unwrap(request.getObject()?.toJavaScript() ?? {}, "", secrets) as Record<string, unknown>,
      secrets,
      outputs: {},
      protect: request.getProtect(),
      retainOnDelete: request.getRetainondelete(),
      deleteBeforeReplace: request.getDeletebeforereplace(),
      replaceOnChanges: request.getReplaceonchangesList(),
      ignoreChanges: request.getIgnorechangesList(),
      additionalSecretOutputs: request.getAdditionalsecretoutputsList().toSorted(),
    };
    this.#secretOutputs.set(`${resource.type} ${resource.name}`, resource.additionalSecretOutputs);
    // The engine refuses a second resource of one URN; the mocks do not, so it is kept for a rule to find.
    if (this.#resources.has(resource.urn)) this.#duplicates.push(resource);
    else this.#resources.set(resource.urn, resource);
  }

  #urn(request: Pick<RegisterRequest, "getParent" | "getType" | "getName">): string {
    return urnOf(PROJECT, this.#stack, request);
  }
}

/** The call, of which the listener hears first. */
function heard<Request>(monitor: Monitor, call: Call<Request>, listener: (request: Request) => void): Call<Request> {
  return (request, callback) => {
    listener(request);
    return call.call(monitor, request, callback);
  };
}

function unwrap(value: unknown, path: string, secrets: string[]): unknown {
  if (Array.isArray(value)) return value.map((item, index) => unwrap(item, `${path}[${String(index)}]`, secrets));
  if (typeof value !== "object" || value === null) return value;
  const record = value as Record<string, unknown>;
  if (record[SIGNATURE] === SECRET) {
    secrets.push(path);
    return unwrap(record.value, path, secrets);
  }
  return Object.fromEntries(
    Object.entries(record).map(([key, item]) => [key, unwrap(item, path ? `${path}.${key}` : key, secrets)]),
  );
}
