import * as pulumi from "@pulumi/pulumi";

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
}

/** How the SDK writes a value that is not known before `up`. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
export const STACK_TYPE = "pulumi:pulumi:Stack";
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/**
 * Runs a program against the SDK's mocks and records what it registered: options, dependencies and secretness included,
 * which the mocks themselves do not show.
 *
 * @throws what the program throws
 */
export async function record(program: () => Promise<unknown>, options: Options): Promise<Recording> {
  const { mode, computed } = options;
  const secretOutputs = new Map<string, readonly string[]>();
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        const state: Record<string, unknown> = {
          ...inputs,
          ...(mode === "preview" ? {} : computed?.(type, name, inputs)),
        };
        // The engine does this; the mocks forget about it.
        for (const key of secretOutputs.get(`${type} ${name}`) ?? []) {
          if (key in state) state[key] = pulumi.secret(state[key]);
          else if (mode === "preview") state[key] = { [SIGNATURE]: SECRET, value: UNKNOWN };
        }
        return { id: mode === "preview" ? undefined : `${name}-id`, state };
      },
      call: () => ({}),
    },
    "foundation",
    "test",
    mode !== "up",
  );
  const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
  const config = Object.entries(options.config ?? {}).map(([key, value]) => [key, text(value)]);
  pulumi.runtime.setAllConfig(Object.fromEntries(config) as Record<string, string>);
  const recorder = new Recorder(secretOutputs);
  recorder.attach();
  const { stackTraceLimit } = Error;
  // The SDK takes a stack trace for every promise, and tests map each to its source: three quarters of the time.
  Error.stackTraceLimit = 0;
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
    Error.stackTraceLimit = stackTraceLimit;
  }
  if (failure) throw failure.error;
  return recorder.recording();
}

type Draft = { -readonly [Key in keyof Recorded]: Recorded[Key] };

class Recorder {
  readonly warnings: string[] = [];
  readonly #resources = new Map<string, Draft>();
  readonly #duplicates: Draft[] = [];
  readonly #calls: string[] = [];
  readonly #secretOutputs: Map<string, readonly string[]>;

  constructor(secretOutputs: Map<string, readonly string[]>) {
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

  /* eslint-disable @typescript-eslint/no-explicit-any -- the SDK does not type its wire messages */
  /** Puts itself between the SDK and the mocks. */
  attach(): void {
    const monitor = pulumi.runtime.getMonitor() as any;
    const { registerResource, registerResourceOutputs, invoke, readResource } = monitor;
    monitor.newUrn = urn;
    monitor.registerResource = (request: any, callback: any) => {
      this.#register(request);
      return registerResource.call(monitor, request, callback);
    };
    monitor.registerResourceOutputs = (request: any, callback: any) => {
      const resource = this.#resources.get(request.getUrn());
      if (resource) resource.outputs = request.getOutputs()?.toJavaScript() ?? {};
      return registerResourceOutputs.call(monitor, request, callback);
    };
    monitor.invoke = (request: any, callback: any) => {
      this.#calls.push(request.getTok());
      return invoke.call(monitor, request, callback);
    };
    monitor.readResource = (request: any, callback: any) => {
      this.#calls.push(`read ${String(request.getType())}`);
      return readResource.call(monitor, request, callback);
    };
  }

  #register(request: any): void {
    const [type, name, parent] = [request.getType(), request.getName(), request.getParent()] as [
      string,
      string,
      string,
    ];
    const secrets: string[] = [];
    const properties = [...request.getPropertydependenciesMap().entries()] as [string, any][];
    const resource: Draft = {
      type,
      name,
      urn: urn(parent, type, name),
      parent,
      custom: request.getCustom(),
      // A reference is `URN::ID`, and a URN has three `::` of its own.
      provider: request.getProvider().split("::").slice(0, 4).join("::"),
      dependencies: request.getDependenciesList().toSorted(),
      propertyDependencies: Object.fromEntries(
        properties
          .map(([key, value]): [string, string[]] => [key, value.getUrnsList().toSorted()])
          .filter(([, urns]) => urns.length > 0),
      ),
      inputs: unwrap(request.getObject().toJavaScript(), "", secrets) as Record<string, unknown>,
      secrets,
      outputs: {},
      protect: request.getProtect() ?? false,
      retainOnDelete: request.getRetainondelete() ?? false,
      deleteBeforeReplace: request.getDeletebeforereplace(),
      replaceOnChanges: request.getReplaceonchangesList(),
      ignoreChanges: request.getIgnorechangesList(),
      additionalSecretOutputs: request.getAdditionalsecretoutputsList().toSorted(),
    };
    this.#secretOutputs.set(`${type} ${name}`, resource.additionalSecretOutputs);
    // The engine refuses a second resource of one URN; the mocks do not, so it is kept for a rule to find.
    if (this.#resources.has(resource.urn)) this.#duplicates.push(resource);
    else this.#resources.set(resource.urn, resource);
  }
  /* eslint-enable */
}

function urn(parent: string, type: string, name: string): string {
  const parentType = parent.split("::")[2] ?? "";
  const qualified = ["", STACK_TYPE].includes(parentType) ? type : `${parentType}$${type}`;
  return `urn:pulumi:test::foundation::${qualified}::${name}`;
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
