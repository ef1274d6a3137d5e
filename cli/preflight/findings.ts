import { EXIT, type ExitCode } from "../../errors.ts";
import type { DockerObject, HostFacts, NoRoot } from "./facts.ts";
import type { PreflightRequest } from "./request.ts";

/** One thing that is wrong with the VM, or worth knowing. */
export interface Finding {
  readonly severity: "error" | "warning";
  readonly exitCode: ExitCode;
  readonly message: string;
  readonly hint: string;
}

/** When the facts were asked for and when they had arrived, in seconds since 1970 by this machine's clock. */
export interface Interval {
  readonly fromSeconds: number;
  readonly toSeconds: number;
}

const SUPPORTED = [
  { id: "debian", version: "12", name: "Debian 12" },
  { id: "debian", version: "13", name: "Debian 13" },
  { id: "ubuntu", version: "24.04", name: "Ubuntu 24.04" },
];
const CLOCK_TOLERANCE_SECONDS = 60;
const KIB_PER_GIB = 1024 * 1024;

/**
 * Judges what was found on the VM. All findings are given at once, the most dangerous first.
 *
 * @param asked interval within which the VM read its clock; the time under way is not held against it
 */
export function judge(facts: HostFacts | NoRoot, request: PreflightRequest, asked: Interval): Finding[] {
  if ("rootless" in facts) return [noRoot(facts)];
  return [
    ...strangers(facts, request),
    ...operatingSystem(facts),
    ...disk(facts, request),
    ...ports(facts, request),
    ...clock(facts, asked),
    ...docker(facts),
    ...memory(facts, request),
  ];
}

/** The exit code that the findings add up to: refusing to touch what is not ours goes before an unfit VM. */
export function exitCodeOf(findings: readonly Finding[]): ExitCode {
  const codes = findings.filter((finding) => finding.severity === "error").map((finding) => finding.exitCode);
  return codes.includes(EXIT.refused) ? EXIT.refused : (codes[0] ?? EXIT.ok);
}

/** As errors of the program are shown: `error: <where>: <what>` and `hint: <command>`. */
export function formatFinding({ severity, message, hint }: Finding): string {
  return `${severity}: preflight: ${message}\nhint: ${hint}`;
}

function unfit(message: string, hint: string): Finding {
  return { severity: "error", exitCode: EXIT.host, message, hint };
}

function noRoot({ user }: NoRoot): Finding {
  return unfit(
    `user ${user} is not root and may not use sudo without a password`,
    `on the VM, as root: echo '${user} ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/foundation`,
  );
}

function strangers(facts: HostFacts, request: PreflightRequest): Finding[] {
  const foreign = (
    kind: string,
    found: readonly DockerObject[],
    wanted: readonly string[],
    way: (n: string) => string,
  ) =>
    found
      .filter((object) => wanted.includes(object.name) && object.owner !== request.ownerId)
      .map<Finding>(({ name, owner }) => ({
        severity: "error",
        exitCode: EXIT.refused,
        message: `${kind} ${name} exists and is not ours: ${owner === "" ? "it has no foundation.owner label" : `owner ${owner}`}`,
        hint: `look at it on the VM (docker ${kind} inspect ${name}), then ${way(name)}, or choose another VM`,
      }));
  return [
    ...foreign("container", facts.containers, request.containers, (name) => `docker rename ${name} ${name}-old`),
    ...foreign("volume", facts.volumes, request.volumes, () => "save what it holds and remove it"),
    ...foreign("network", facts.networks, request.networks, (name) => `docker network rm ${name}`),
  ];
}

function operatingSystem({ os }: HostFacts): Finding[] {
  if (SUPPORTED.some(({ id, version }) => os.id === id && os.version === version)) return [];
  const supported = SUPPORTED.map(({ name }) => name).join(", ");
  return [unfit(`unsupported operating system: ${os.name || "unknown"}`, `install one of: ${supported}`)];
}

function disk(facts: HostFacts, request: PreflightRequest): Finding[] {
  if (facts.diskFreeKiB >= request.minimumDiskGib * KIB_PER_GIB) return [];
  const free = (facts.diskFreeKiB / KIB_PER_GIB).toFixed(1);
  const finding = unfit(
    `disk too small: ${free} GiB free on ${facts.diskMount}, ${request.minimumDiskGib} GiB are needed`,
    `make room or enlarge the disk; what takes the space: du -xh --max-depth=2 ${facts.diskMount} | sort -h | tail`,
  );
  // A foundation that already runs has used its share; refusing would also refuse the update that makes room.
  const deployed = facts.containers.some((container) => container.owner === request.ownerId);
  return [deployed ? { ...finding, severity: "warning" } : finding];
}

function ports(facts: HostFacts, request: PreflightRequest): Finding[] {
  return request.ports.flatMap((port) => {
    const container = facts.containers.find((candidate) => candidate.publishedPorts.includes(port));
    if (container?.owner === request.ownerId) return [];
    const listener = facts.listeners.find((candidate) => candidate.port === port);
    if (container === undefined && listener === undefined) return [];
    const holder = container ? `container ${container.name}` : listener?.process || "another process";
    return [
      unfit(`port ${port} is taken by ${holder}`, `stop it on the VM, for good; who it is: ss -ltnp sport = :${port}`),
    ];
  });
}

function clock(facts: HostFacts, asked: Interval): Finding[] {
  const ahead = facts.clockSeconds - asked.toSeconds;
  const behind = asked.fromSeconds - facts.clockSeconds;
  const seconds = Math.round(Math.max(ahead, behind));
  if (seconds <= CLOCK_TOLERANCE_SECONDS) return [];
  return [
    unfit(
      `the VM's clock is ${seconds} s ${ahead > 0 ? "ahead of" : "behind"} this machine's`,
      "certificates and tokens depend on it; on whichever is wrong: timedatectl set-ntp true",
    ),
  ];
}

function docker(facts: HostFacts): Finding[] {
  if (facts.docker !== "silent") return [];
  return [
    unfit("Docker is installed and does not answer", "on the VM: systemctl start docker; journalctl -u docker -n 50"),
  ];
}

function memory(facts: HostFacts, request: PreflightRequest): Finding[] {
  const mebibytes = Math.floor(facts.memoryKiB / 1024);
  if (mebibytes >= request.minimumMemoryMib) return [];
  return [
    {
      severity: "warning",
      exitCode: EXIT.ok,
      message: `${mebibytes} MiB of memory, this size expects ${request.minimumMemoryMib} MiB`,
      hint: "it will start, and run out of memory under load: give the VM more or choose a smaller foundation:size",
    },
  ];
}
