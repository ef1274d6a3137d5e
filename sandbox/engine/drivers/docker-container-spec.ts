import type { ContainerCreateOptions, EndpointSettings, HealthConfig, HostConfig, MountSettings } from "dockerode";
import { UserError } from "../../../errors.ts";
import { text } from "../driver.ts";
import { isRecord, type Properties, type Value } from "../values.ts";
import { labelMap } from "./docker-ownership.ts";

const MIB = 1024 * 1024;

/** Keys that are understood below an input, by input. */
const NESTED: Readonly<Record<string, readonly string[]>> = {
  capabilities: ["adds", "drops"],
  healthcheck: ["tests", "interval", "timeout", "startPeriod", "startInterval", "retries"],
  hosts: ["host", "ip"],
  labels: ["label", "value"],
  mounts: ["type", "source", "target", "readOnly", "tmpfsOptions"],
  networksAdvanced: ["name", "aliases", "ipv4Address"],
  ports: ["internal", "external", "ip", "protocol"],
  ulimits: ["name", "soft", "hard"],
};

/** One network that the container is attached to. */
export interface Attachment {
  readonly name: string;
  readonly settings: EndpointSettings;
}

/** What is created, and what it is connected to before it starts. */
export interface ContainerSpec {
  readonly options: ContainerCreateOptions;
  readonly furtherNetworks: readonly Attachment[];
}

/**
 * Refuses what would be ignored, deep in the inputs too.
 *
 * @throws UserError
 */
export function checkContainer(inputs: Properties, label: string): void {
  for (const [input, known] of Object.entries(NESTED)) {
    for (const part of list(inputs[input])) {
      const unknown = isRecord(part) ? Object.keys(part).filter((key) => !known.includes(key)) : [];
      if (unknown.length === 0) continue;
      const message = `${label}: ${input}: the sandbox's engine does not know ${unknown.join(", ")}`;
      throw new UserError(message, `it knows ${known.join(", ")}`);
    }
  }
  const health = inputs["healthcheck"];
  if (isRecord(health)) readHealth(health, "9.99", label);
  if (inputs["wait"] === true && health === undefined) {
    throw new UserError(
      `${label}: wait: there is no health check to wait for`,
      "give it a healthcheck, or do without wait",
    );
  }
}

/**
 * The provider's inputs as the Docker API has them.
 *
 * @param apiVersion of the daemon, as in `1.41`: what it does not know yet is left out where it only makes things faster
 */
export function containerSpec(inputs: Properties, apiVersion: string, label: string): ContainerSpec {
  const attachments = list(inputs["networksAdvanced"]).filter(isRecord).map(attachment);
  const mode = string(inputs["networkMode"]) ?? attachments[0]?.name;
  const first = attachments.find(({ name }) => name === mode);
  const ports = list(inputs["ports"]).filter(isRecord);
  const health = inputs["healthcheck"];
  return {
    options: {
      name: text(inputs["name"]),
      Image: text(inputs["image"]),
      Hostname: string(inputs["hostname"]),
      User: string(inputs["user"]),
      Entrypoint: strings(inputs["entrypoints"]),
      Cmd: strings(inputs["command"]),
      Env: strings(inputs["envs"]),
      Labels: labelMap(inputs["labels"]),
      StopSignal: string(inputs["stopSignal"]),
      StopTimeout: number(inputs["stopTimeout"]),
      Healthcheck: isRecord(health) ? readHealth(health, apiVersion, label) : undefined,
      ExposedPorts: Object.fromEntries(ports.map((port) => [portKey(port), {}])),
      HostConfig: { ...hostConfig(inputs), NetworkMode: mode, PortBindings: portBindings(ports) },
      NetworkingConfig: first ? { EndpointsConfig: { [first.name]: first.settings } } : undefined,
    },
    furtherNetworks: attachments.filter((each) => each !== first),
  };
}

/** Limits that the daemon can change on a container that runs. */
export function updatableLimits(inputs: Properties) {
  return {
    Memory: mebibytes(inputs["memory"]),
    MemorySwap: mebibytes(inputs["memorySwap"]),
    MemoryReservation: mebibytes(inputs["memoryReservation"]),
    RestartPolicy: { Name: string(inputs["restart"]) ?? "no" },
  };
}

function hostConfig(inputs: Properties): HostConfig {
  const capabilities = isRecord(inputs["capabilities"]) ? inputs["capabilities"] : {};
  return {
    ...updatableLimits(inputs),
    ShmSize: mebibytes(inputs["shmSize"]),
    CapAdd: strings(capabilities["adds"]),
    CapDrop: strings(capabilities["drops"]),
    SecurityOpt: strings(inputs["securityOpts"]),
    // as the real provider does: not set means no, whatever the daemon's own default is
    Init: inputs["init"] === true,
    LogConfig: {
      Type: string(inputs["logDriver"]) ?? "",
      Config: (inputs["logOpts"] ?? {}) as Record<string, string>,
    },
    ReadonlyRootfs: inputs["readOnly"] === true,
    GroupAdd: strings(inputs["groupAdds"]),
    Mounts: list(inputs["mounts"]).filter(isRecord).map(mount),
    Tmpfs: inputs["tmpfs"] as Record<string, string> | undefined,
    Ulimits: list(inputs["ulimits"])
      .filter(isRecord)
      .map(({ name, soft, hard }) => ({ Name: text(name), Soft: Number(soft), Hard: Number(hard) })),
    NanoCpus: inputs["cpus"] === undefined ? undefined : Number(inputs["cpus"]) * 1e9,
    Sysctls: inputs["sysctls"] as Record<string, string> | undefined,
    ExtraHosts: list(inputs["hosts"])
      .filter(isRecord)
      .map(({ host, ip }) => `${text(host)}:${text(ip)}`),
  };
}

function mount({ type, source, target, readOnly, tmpfsOptions }: Properties): MountSettings {
  return {
    Type: type as MountSettings["Type"],
    Source: string(source) ?? "",
    Target: text(target),
    ReadOnly: readOnly === true,
    ...(isRecord(tmpfsOptions)
      ? { TmpfsOptions: { SizeBytes: Number(tmpfsOptions["sizeBytes"] ?? 0), Mode: Number(tmpfsOptions["mode"] ?? 0) } }
      : {}),
  };
}

function attachment({ name, aliases, ipv4Address }: Properties): Attachment {
  const address = string(ipv4Address);
  return {
    name: text(name),
    settings: {
      Aliases: strings(aliases),
      ...(address === undefined ? {} : { IPAMConfig: { IPv4Address: address } }),
    },
  };
}

function portKey({ internal, protocol }: Properties): string {
  return `${text(internal)}/${string(protocol) ?? "tcp"}`;
}

function portBindings(ports: readonly Properties[]): Record<string, { HostIp: string; HostPort: string }[]> {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const port of ports) {
    const binding = { HostIp: string(port["ip"]) ?? "0.0.0.0", HostPort: text(port["external"]) };
    (bindings[portKey(port)] ??= []).push(binding);
  }
  return bindings;
}

function readHealth(health: Properties, apiVersion: string, label: string): HealthConfig {
  const nanoseconds = (key: string): number | undefined => {
    const value = string(health[key]);
    return value === undefined ? undefined : parseDuration(value, `${label}: healthcheck.${key}`);
  };
  const startInterval = nanoseconds("startInterval");
  return {
    Test: strings(health["tests"]),
    Interval: nanoseconds("interval"),
    Timeout: nanoseconds("timeout"),
    StartPeriod: nanoseconds("startPeriod"),
    Retries: number(health["retries"]),
    ...(startInterval !== undefined && isAtLeast(apiVersion, "1.44") ? { StartInterval: startInterval } : {}),
  };
}

/** Go's notation of a duration (`1m30s`), in nanoseconds. @throws UserError */
export function parseDuration(duration: string, where: string): number {
  const units: Readonly<Record<string, number>> = { h: 3600e9, m: 60e9, s: 1e9, ms: 1e6, us: 1e3, ns: 1 };
  const parts = [...duration.matchAll(/(\d+(?:\.\d+)?)(ns|us|ms|h|m|s)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== duration) {
    throw new UserError(`${where}: not a duration: ${duration}`, 'write it as in "10s" or "1m30s"');
  }
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (units[unit ?? ""] ?? 0), 0);
}

function isAtLeast(version: string, minimum: string): boolean {
  return version.localeCompare(minimum, "en", { numeric: true }) >= 0;
}

/** Zero counts as not set, as in the real provider. */
function mebibytes(value: Value | undefined): number | undefined {
  if (typeof value !== "number" || value === 0) return undefined;
  return value < 0 ? value : value * MIB;
}

function number(value: Value | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function string(value: Value | undefined): string | undefined {
  return text(value) || undefined;
}

function strings(value: Value | undefined): string[] | undefined {
  return Array.isArray(value) ? value.map(text) : undefined;
}

/** A list as it is, a single object (capabilities, healthcheck) as a list of one. */
function list(value: Value | undefined): Value[] {
  if (Array.isArray(value)) return value;
  return value === undefined || value === null ? [] : [value];
}
