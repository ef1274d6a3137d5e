import type { Recorded } from "../record.ts";
import { CONTAINER, each, IMAGE, LOCAL, nameOf, ofType, show, unlike, type Rule, type Run } from "./rule.ts";

interface Healthcheck {
  readonly tests?: readonly string[];
  readonly [duration: string]: unknown;
}

interface Mount {
  readonly type: string;
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/** The capabilities that a service cannot run without; everything else is dropped. */
const CAPABILITIES: Readonly<Record<string, readonly string[]>> = {
  caddy: ["CAP_NET_BIND_SERVICE"],
  vault: ["CAP_IPC_LOCK"],
};

/** What a container may set. Missing on purpose: privileged, uploads, volumes, networkMode, devices, gpus, hosts, … */
const OPTIONS = [
  "capabilities command cpus destroyGraceSeconds entrypoints envs healthcheck hostname image init labels logDriver logOpts",
  "memory memorySwap mounts mustRun name networksAdvanced ports readOnly restart securityOpts shmSize stopSignal",
  "stopTimeout tmpfs ulimits user wait waitTimeout",
]
  .join(" ")
  .split(" ");

const rule = (name: string, judge: (container: Recorded, run: Run) => string[]): Rule =>
  each(`containers: ${name}`, [CONTAINER], judge);

export const containerRules: Rule[] = [
  rule("only options of the factory", ({ inputs }) =>
    Object.keys(inputs)
      .filter((key) => !OPTIONS.includes(key))
      .map((key) => `${key} is set`),
  ),
  rule("stopped, not killed", ({ inputs }) => {
    const { destroyGraceSeconds, stopTimeout } = inputs;
    if (!(typeof destroyGraceSeconds === "number" && destroyGraceSeconds > 0))
      return [`destroyGraceSeconds ${show(destroyGraceSeconds)} is not above 0`];
    return unlike({ stopTimeout }, { stopTimeout: destroyGraceSeconds });
  }),
  rule("replaced as a whole, the old one first", ({ replaceOnChanges, deleteBeforeReplace, ignoreChanges }) =>
    unlike(
      { replaceOnChanges, deleteBeforeReplace, ignoreChanges },
      { replaceOnChanges: ["*"], deleteBeforeReplace: true, ignoreChanges: [] },
    ),
  ),
  rule("all capabilities dropped but the few that are needed", ({ name, inputs }) => {
    const { drops, adds } = inputs.capabilities as { drops?: unknown; adds?: unknown };
    return unlike({ drops, adds }, { drops: ["ALL"], adds: CAPABILITIES[name] ?? [] });
  }),
  rule("no way to gain privileges, nothing writable but mounts", ({ inputs }) =>
    unlike(inputs, { readOnly: true, securityOpts: ["no-new-privileges:true"] }),
  ),
  rule("a numeric user other than root", ({ inputs }) =>
    /^[1-9]\d*:[1-9]\d*$/.test(String(inputs.user)) ? [] : [`user ${show(inputs.user)}`],
  ),
  rule("a memory limit without swap", ({ inputs: { memory, memorySwap } }) =>
    typeof memory === "number" && memory > 0
      ? unlike({ memorySwap }, { memorySwap: memory })
      : [`memory ${show(memory)}`],
  ),
  rule("logs are rotated", ({ inputs }) =>
    unlike(inputs, { logDriver: "json-file", logOpts: { "max-file": "3", "max-size": "10m" } }),
  ),
  rule("come back after a reboot", ({ inputs }) => unlike(inputs, { restart: "unless-stopped", mustRun: true })),
  rule("count as created when they are healthy", ({ inputs }) => [
    ...unlike(inputs, { wait: true }),
    ...healthcheck((inputs.healthcheck ?? {}) as Healthcheck, Number(inputs.waitTimeout)),
  ]),
  rule("image pinned by digest, pulled before and kept", image),
  rule("the backup's image is built from what was pulled", builtImage),
  rule("no input comes from another container", upstreamContainers),
  rule("host directories only from /etc/foundation, read-only", hostDirectories),
  rule("data volumes mounted from the resource", ({ inputs, propertyDependencies }) =>
    (inputs.mounts as Mount[])
      .filter(({ type }) => type === "volume")
      .flatMap(({ source }) => [
        ...(propertyDependencies.mounts?.map(nameOf).includes(source)
          ? []
          : [`volume ${source} is named, not referenced`]),
      ]),
  ),
  rule("restarted when a file changes", ({ name, inputs, dependencies }) => {
    const value = (inputs.labels as { label: string; value: string }[]).find(
      ({ label }) => label === "foundation.files",
    );
    return [
      ...(value ? [] : ["no label foundation.files"]),
      ...(dependencies.map(nameOf).includes(`${name}-files`) ? [] : [`does not wait for ${name}-files`]),
    ];
  }),
];

function healthcheck({ tests = [], ...durations }: Healthcheck, waitSeconds: number): string[] {
  const { retries, ...rest } = durations;
  return [
    ...(tests[0] === "CMD" && tests.length > 1 ? [] : [`healthcheck runs ${show(tests)}`]),
    ...["interval", "timeout", "startPeriod", "startInterval"]
      .filter((key) => !isCanonical(String(rest[key])))
      .map((key) => `healthcheck.${key} ${show(rest[key])} is not a duration as Go prints it`),
    ...(Number(retries) > 0 ? [] : [`healthcheck.retries ${show(retries)}`]),
    ...unlike({ startInterval: rest.startInterval }, { startInterval: "1s" }),
    ...(waitSeconds > 0 ? [] : ["waitTimeout is not above 0"]),
  ];
}

/** What Go's Duration.String() prints for whole seconds: `5s`, `1m30s`, `1h0m0s`; never `90s` or `1m`. */
export function isCanonical(duration: string): boolean {
  return /^([1-9]\d*h[1-5]?\dm[1-5]?\ds|[1-5]?\dm[1-5]?\ds|[1-5]?\ds)$/.test(duration) && !/^0m/.test(duration);
}

/** The reference is a literal and the same in both, so that a preview shows which image will run. */
function image({ name, inputs, dependencies, propertyDependencies }: Recorded, run: Run): string[] {
  const reference = String(inputs.image);
  if (name === "backup") return [];
  if (!/^[a-z0-9][\w.:/-]*:[\w][\w.-]*@sha256:[0-9a-f]{64}$/.test(reference))
    return [`image ${reference} has no digest`];
  const pulled = ofType(run, IMAGE).find(({ inputs }) => inputs.name === reference);
  if (pulled === undefined) return [`image ${reference} is not pulled`];
  return [
    ...(dependencies.includes(pulled.urn) ? [] : [`does not wait for ${pulled.name}`]),
    ...(propertyDependencies.image ? ["image is computed, not a literal"] : []),
    ...unlike(pulled.inputs, { keepLocally: true }).map((what) => `${pulled.name}: ${what}`),
  ];
}

/** The backup's is built on the VM: from pinned images, under a name that says what is in it. */
function builtImage({ name, inputs, dependencies }: Recorded, run: Run): string[] {
  if (name !== "backup") return [];
  const reference = String(inputs.image);
  const build = ofType(run, LOCAL).find(({ name }) => name === "backup-image");
  const { FOUNDATION_BACKUP_IMAGE: request = "{}" } = (build?.inputs.environment ?? {}) as Record<string, string>;
  const { reference: built, base = {} } = JSON.parse(request) as { reference?: string; base?: Record<string, string> };
  const pulled = ofType(run, IMAGE);
  return [
    ...(/^foundation\/backup:[0-9a-f]{16}$/.test(reference) && reference === built
      ? []
      : [`image ${reference} is not built`]),
    ...(build && dependencies.includes(build.urn) ? [] : ["does not wait for backup-image"]),
    ...["postgres", "restic", "node"]
      .filter(
        (part) =>
          !pulled.some(({ name, inputs, urn }) => {
            return name === `${part}-image` && inputs.name === base[part] && build?.dependencies.includes(urn);
          }),
      )
      .map((part) => `its image is built without the pulled ${part}`),
  ];
}

/** Through property dependencies alone: the replacement of what they point to replaces, and first deletes, this one. */
function upstreamContainers(container: Recorded, run: Run): string[] {
  const byUrn = new Map(run.resources.map((resource) => [resource.urn, resource]));
  const found: string[] = [];
  const seen = new Set<string>([container.urn]);
  const visit = (resource: Recorded, path: string): void => {
    for (const [property, urns] of Object.entries(resource.propertyDependencies)) {
      for (const urn of urns) {
        const upstream = byUrn.get(urn);
        if (upstream === undefined || seen.has(urn)) continue;
        seen.add(urn);
        const through = `${path}${property} <- ${upstream.name}`;
        if (upstream.type === CONTAINER) found.push(through);
        else visit(upstream, `${through}.`);
      }
    }
  };
  visit(container, "");
  return found;
}

function hostDirectories({ name, inputs }: Recorded): string[] {
  return (inputs.mounts as Mount[])
    .filter(({ type }) => type !== "volume")
    .flatMap(({ type, source, target, readOnly }) => {
      if (type !== "bind") return [`mount of type ${type} at ${target}`];
      const own =
        source === `/etc/foundation/${name}` ||
        (name === "caddy" && target === "/etc/tls") ||
        (name === "backup" && source === "/var/lib/foundation/kit") ||
        // the directory of the jobs' containers' socket, never Docker's
        (name === "runner" && source === "/run/foundation-runner");
      return [...(own ? [] : [`${source} is mounted`]), ...(readOnly ? [] : [`${source} is writable`])];
    });
}
