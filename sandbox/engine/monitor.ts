import { UserError } from "../../errors.ts";
import type { Reply } from "./deployment.ts";
import type { Subject } from "./journal.ts";
import { readRegistration, STACK_TYPE, urnOf, type RegisterRequest, type Registration } from "./registration.ts";
import { fromWire, type Properties } from "./values.ts";

/** One run of the program. */
export interface ProgramRun {
  /** the program's default export; the stack's outputs are what it returns */
  readonly program: () => unknown;
  readonly project: string;
  readonly stack: string;
  /** the program is told so (`pulumi.runtime.isDryRun()`) and gets unknown values */
  readonly dryRun: boolean;
  /** by full key (`foundation:domain`); what is not a string is handed over as JSON, as Pulumi does */
  readonly config: Readonly<Record<string, unknown>>;
}

/** Deals with what the program registers. */
export interface Registrar {
  register(goal: Registration): Promise<Reply>;
  /** for a resource that cannot even be read */
  fail(subject: Subject, error: unknown): Reply;
}

type Callback = (error: unknown, response?: unknown) => void;

/** The calls of the SDK's resource monitor that a program without provider functions makes. */
interface Monitor {
  registerResource(request: RegisterRequest, callback: Callback): void;
  registerResourceOutputs(request: OutputsRequest, callback: Callback): void;
  [call: string]: unknown;
}

interface OutputsRequest {
  getUrn(): string;
  getOutputs(): { toJavaScript(): unknown } | undefined;
}

/** Calls that would read something from outside while the program runs; a preview must not, so a program may not. */
const REFUSED_CALLS = ["invoke", "call", "readResource", "existsResource", "registerResourceHook", "registerErrorHook"];

/**
 * Runs the program with the SDK's monitor replaced: every resource that it registers becomes a call of the registrar.
 * The seam is the one that the SDK offers for tests of programs.
 *
 * @returns the stack's outputs, once everything that was registered has been dealt with
 * @throws what the program throws
 */
export async function runProgram(run: ProgramRun, registrar: Registrar): Promise<Properties> {
  const pulumi = await import("@pulumi/pulumi");
  const unused = (): never => {
    throw new Error("the monitor was not replaced");
  };
  await pulumi.runtime.setMocks(
    { newResource: unused, call: unused },
    run.project,
    run.stack,
    run.dryRun,
    "organization",
  );
  pulumi.runtime.setAllConfig(
    Object.fromEntries(
      Object.entries(run.config).map(([key, value]) => [
        key,
        typeof value === "string" ? value : JSON.stringify(value),
      ]),
    ),
  );
  let outputs: Properties = {};
  let failure: { readonly error: unknown } | undefined;
  replaceMonitor(pulumi.runtime.getMonitor() as unknown as Monitor, run, registrar, {
    setOutputs: (stackOutputs) => {
      outputs = stackOutputs;
    },
    refuse: (error) => {
      failure ??= { error };
    },
  });
  await pulumi.runtime.runInPulumiStack(async () => {
    try {
      return await run.program();
    } catch (error) {
      // kept from the SDK, in which it would surface several times, also as a rejection that nobody can handle
      failure ??= { error };
      return {};
    }
  });
  // what the program had registered by then is still being dealt with
  await pulumi.runtime.disconnect();
  if (failure) throw failure.error;
  return outputs;
}

function replaceMonitor(
  monitor: Monitor,
  run: ProgramRun,
  registrar: Registrar,
  result: { setOutputs(outputs: Properties): void; refuse(error: UserError): void },
): void {
  monitor.registerResource = (request, callback) => {
    answer(request, run, registrar).then(
      (response) => {
        callback(null, response);
      },
      (error: unknown) => {
        callback(error);
      },
    );
  };
  monitor.registerResourceOutputs = (request, callback) => {
    if (request.getUrn().includes(`::${STACK_TYPE}::`)) {
      result.setOutputs(fromWire((request.getOutputs()?.toJavaScript() ?? {}) as Properties) as Properties);
    }
    callback(null, {});
  };
  for (const call of REFUSED_CALLS) {
    monitor[call] = (_request: unknown, callback: Callback) => {
      const error = new UserError(
        `program: ${call} is not supported by the sandbox's engine`,
        "provider functions and hooks contact the world during a preview; find the value another way",
      );
      // the SDK makes an error of its own from it, in which the hint is lost
      result.refuse(error);
      callback(error);
    };
  }
}

async function answer(request: RegisterRequest, run: ProgramRun, registrar: Registrar): Promise<unknown> {
  const urn = urnOf(run.project, run.stack, request);
  let reply;
  try {
    reply = await registrar.register(readRegistration(urn, request));
  } catch (error) {
    reply = registrar.fail({ urn, type: request.getType(), name: request.getName() }, error);
  }
  const { id, outputs, unknown } = reply;
  return {
    getUrn: () => urn,
    getId: () => id,
    getObject: () => ({ toJavaScript: () => outputs }),
    getPropertydependenciesMap: () => undefined,
    // SUCCESS also where it failed: any other result makes the SDK reject all outputs, and the program end with the first of them
    getResult: () => 0,
    getUnknown: () => unknown,
  };
}
