import { UserError } from "../../errors.ts";
import { fromWire, type Properties, type Value } from "./values.ts";

/** What the program wants: one resource with its options. */
export interface Registration {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  /** false for a component, which only groups others */
  readonly custom: boolean;
  readonly inputs: Properties;
  /** URN; empty for the stack itself */
  readonly parent: string;
  /** URN of the explicit provider, or empty */
  readonly provider: string;
  readonly dependencies: readonly string[];
  readonly propertyDependencies: Readonly<Record<string, readonly string[]>>;
  readonly protect: boolean;
  /** undefined: as the parent */
  readonly retainOnDelete: boolean | undefined;
  readonly deletedWith: string;
  /** undefined: as the type needs it */
  readonly deleteBeforeReplace: boolean | undefined;
  readonly ignoreChanges: readonly string[];
  readonly replaceOnChanges: readonly string[];
  readonly replacementTrigger: Value;
  readonly additionalSecretOutputs: readonly string[];
  readonly timeoutSeconds: Readonly<Record<"create" | "update" | "delete", number | null>>;
}

interface Message {
  toJavaScript(): unknown;
}

interface Alias {
  getSpec(): { getName(): string; getType(): string; getStack(): string; getProject(): string } | undefined;
}

/** The parts that are used of the SDK's RegisterResourceRequest. */
export interface RegisterRequest {
  getType(): string;
  getName(): string;
  getParent(): string;
  getCustom(): boolean;
  getRemote(): boolean;
  getObject(): Message | undefined;
  getProvider(): string;
  getDependenciesList(): string[];
  getPropertydependenciesMap(): { entries(): Iterable<[string, { getUrnsList(): string[] }]> };
  getProtect(): boolean;
  hasRetainondelete(): boolean;
  getRetainondelete(): boolean;
  getDeletedwith(): string;
  getDeletebeforereplace(): boolean;
  getDeletebeforereplacedefined(): boolean;
  getIgnorechangesList(): string[];
  getReplaceonchangesList(): string[];
  getReplacementTrigger(): Message | undefined;
  getAdditionalsecretoutputsList(): string[];
  getCustomtimeouts(): { getCreate(): string; getUpdate(): string; getDelete(): string } | undefined;
  getAliasesList(): Alias[];
  getImportid(): string;
  getTransformsList(): unknown[];
  getStateMigrationsList(): unknown[];
  getReplaceWithList(): unknown[];
  getHooks(): unknown;
}

/** The type of the resource that is the stack. */
export const STACK_TYPE = "pulumi:pulumi:Stack";

/** The URN that the Pulumi engine would give: the types of all parents but the stack are part of it. */
export function urnOf(
  project: string,
  stack: string,
  request: Pick<RegisterRequest, "getParent" | "getType" | "getName">,
): string {
  const parentType = request.getParent().split("::")[2] ?? "";
  const type = ["", STACK_TYPE].includes(parentType) ? request.getType() : `${parentType}$${request.getType()}`;
  return `urn:pulumi:${stack}::${project}::${type}::${request.getName()}`;
}

/**
 * Reads a request of the SDK.
 *
 * @throws UserError for an option that only the real engine knows: ignoring it would do something else than asked
 */
export function readRegistration(urn: string, request: RegisterRequest): Registration {
  const label = `${request.getType()} ${request.getName()}`;
  refuseUnsupported(label, request);
  const timeouts = request.getCustomtimeouts();
  return {
    urn,
    type: request.getType(),
    name: request.getName(),
    custom: request.getCustom(),
    inputs: request.getCustom() ? readInputs(label, request) : {},
    parent: request.getParent(),
    // a reference is `URN::ID`, and a URN has three `::` of its own
    provider: request.getProvider().split("::").slice(0, 4).join("::"),
    dependencies: request.getDependenciesList(),
    propertyDependencies: Object.fromEntries(
      [...request.getPropertydependenciesMap().entries()].map(([key, urns]) => [key, urns.getUrnsList()]),
    ),
    protect: request.getProtect(),
    retainOnDelete: request.hasRetainondelete() ? request.getRetainondelete() : undefined,
    deletedWith: request.getDeletedwith(),
    deleteBeforeReplace: request.getDeletebeforereplacedefined() ? request.getDeletebeforereplace() : undefined,
    ignoreChanges: request.getIgnorechangesList(),
    replaceOnChanges: request.getReplaceonchangesList(),
    replacementTrigger: fromWire((request.getReplacementTrigger()?.toJavaScript() ?? null) as Value),
    additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
    timeoutSeconds: {
      create: seconds(label, timeouts?.getCreate() ?? ""),
      update: seconds(label, timeouts?.getUpdate() ?? ""),
      delete: seconds(label, timeouts?.getDelete() ?? ""),
    },
  };
}

function refuseUnsupported(label: string, request: RegisterRequest): void {
  const used: Record<string, boolean> = {
    aliases: !request.getAliasesList().every(isFormerType),
    import: request.getImportid() !== "",
    transforms: request.getTransformsList().length > 0,
    stateMigrations: request.getStateMigrationsList().length > 0,
    replaceWith: request.getReplaceWithList().length > 0,
    hooks: Boolean(request.getHooks()),
    "a remote component": request.getRemote(),
  };
  const options = Object.keys(used).filter((option) => used[option]);
  if (options.length === 0) return;
  throw new UserError(
    `${label}: the sandbox's engine does not support ${options.join(", ")}`,
    "use the Pulumi CLI (FOUNDATION_ENGINE=pulumi npm run sandbox), or do without it",
  );
}

/** Provider packages declare the former names of their types in every resource; no state of this engine has one. */
function isFormerType(alias: Alias): boolean {
  const spec = alias.getSpec();
  return spec !== undefined && spec.getType() !== "" && spec.getName() + spec.getStack() + spec.getProject() === "";
}

function readInputs(label: string, request: RegisterRequest): Properties {
  const object = (request.getObject()?.toJavaScript() ?? {}) as Properties;
  try {
    return fromWire(object) as Properties;
  } catch (error) {
    throw new UserError(`${label}: ${(error as Error).message}`, "use the Pulumi CLI for this program");
  }
}

/** Go's duration as the option `customTimeouts` has it: `90s`, `1h30m`. */
function seconds(label: string, duration: string): number | null {
  if (duration === "") return null;
  const units: Record<string, number> = { h: 3600, m: 60, s: 1, ms: 0.001 };
  const parts = [...duration.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== duration) {
    throw new UserError(`${label}: customTimeouts: not a duration: ${duration}`, 'write it as in "90s" or "1h30m"');
  }
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (units[unit ?? ""] ?? 0), 0);
}
