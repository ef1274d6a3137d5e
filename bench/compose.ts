/** The parts of `docker inspect CONTAINER` that a Compose file can say. */
export interface Inspected {
  readonly Name: string;
  readonly Config: {
    readonly Image: string;
    readonly User: string;
    readonly Env: readonly string[];
    readonly Entrypoint: readonly string[] | null;
    readonly Cmd: readonly string[] | null;
    readonly StopSignal?: string;
    readonly Healthcheck: {
      readonly Test: readonly string[];
      readonly Interval: number;
      readonly Timeout: number;
      readonly StartPeriod: number;
      readonly StartInterval?: number;
      readonly Retries: number;
    };
  };
  readonly HostConfig: {
    readonly Memory: number;
    readonly MemorySwap: number;
    readonly ShmSize: number;
    readonly CapAdd: readonly string[] | null;
    readonly CapDrop: readonly string[] | null;
    readonly SecurityOpt: readonly string[];
    readonly ReadonlyRootfs: boolean;
    readonly Init: boolean;
    readonly Tmpfs: Readonly<Record<string, string>>;
    readonly PortBindings: Readonly<Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[]>>;
  };
  readonly Mounts: readonly {
    readonly Type: string;
    readonly Name?: string;
    readonly Source: string;
    readonly Destination: string;
    readonly RW: boolean;
  }[];
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, unknown>> };
}

/** The same order of starting as in the program's stages. */
const AFTER: Readonly<Record<string, readonly string[]>> = { forgejo: ["postgres", "rustfs"], caddy: ["forgejo"] };

/** A Compose project that starts the same containers: same images, commands, limits, hardening, networks, health checks. */
export function composeProject(containers: readonly Inspected[], initdb: string): Record<string, unknown> {
  const services = containers.map((container) => [container.Name.slice(1), serviceOf(container, initdb)] as const);
  const names = (pick: (container: Inspected) => string[]): Record<string, object> =>
    Object.fromEntries([...new Set(containers.flatMap(pick))].map((name) => [name, {}]));
  return {
    name: "peer",
    services: Object.fromEntries(services),
    volumes: names((container) =>
      container.Mounts.flatMap(({ Type, Name }) => (Type === "volume" && Name ? [Name] : [])),
    ),
    networks: names((container) => Object.keys(container.NetworkSettings.Networks)),
  };
}

function serviceOf({ Name, Config, HostConfig, Mounts, NetworkSettings }: Inspected, initdb: string): object {
  const name = Name.slice(1);
  const mounts = Mounts.filter(({ Type }) => Type !== "tmpfs").map((mount) => ({
    type: mount.Type,
    source: mount.Type === "volume" ? mount.Name : mount.Source,
    target: mount.Destination,
    read_only: !mount.RW,
  }));
  if (name === "postgres")
    mounts.push({ type: "bind", source: initdb, target: "/docker-entrypoint-initdb.d", read_only: true });
  const { Healthcheck: health } = Config;
  return {
    container_name: name,
    hostname: name,
    image: Config.Image,
    user: Config.User,
    environment: [...Config.Env],
    entrypoint: Config.Entrypoint,
    command: Config.Cmd,
    ...(Config.StopSignal ? { stop_signal: Config.StopSignal } : {}),
    init: HostConfig.Init,
    read_only: HostConfig.ReadonlyRootfs,
    cap_add: HostConfig.CapAdd ?? [],
    cap_drop: HostConfig.CapDrop ?? [],
    security_opt: HostConfig.SecurityOpt,
    mem_limit: HostConfig.Memory,
    memswap_limit: HostConfig.MemorySwap,
    shm_size: HostConfig.ShmSize,
    tmpfs: Object.entries(HostConfig.Tmpfs).map(([path, options]) => `${path}:${options}`),
    volumes: mounts,
    networks: Object.keys(NetworkSettings.Networks),
    ports: Object.entries(HostConfig.PortBindings).flatMap(([port, bindings]) =>
      bindings.map(({ HostIp, HostPort }) => `${HostIp}:${HostPort}:${port}`),
    ),
    depends_on: Object.fromEntries((AFTER[name] ?? []).map((other) => [other, { condition: "service_healthy" }])),
    healthcheck: {
      test: health.Test,
      interval: nanoseconds(health.Interval),
      timeout: nanoseconds(health.Timeout),
      start_period: nanoseconds(health.StartPeriod),
      ...(health.StartInterval ? { start_interval: nanoseconds(health.StartInterval) } : {}),
      retries: health.Retries,
    },
  };
}

const nanoseconds = (value: number): string => `${String(value / 1e9)}s`;
