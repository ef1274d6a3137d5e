import { UserError } from "../../errors.ts";

/** Something of Docker's, with the value of its label `foundation.owner` (empty where it has none). */
export interface DockerObject {
  readonly name: string;
  readonly owner: string;
}

/** What preflight.sh found on the VM. */
export interface HostFacts {
  readonly os: { readonly id: string; readonly version: string; readonly name: string };
  readonly memoryKiB: number;
  readonly diskFreeKiB: number;
  /** mount point of the file system that the free space is on */
  readonly diskMount: string;
  /** listening TCP sockets on the ports asked for; the process is empty where it cannot be told */
  readonly listeners: readonly { readonly port: number; readonly process: string }[];
  /** version of the engine; `absent` where it is not installed, `silent` where it does not answer */
  readonly docker: string;
  readonly containers: readonly (DockerObject & { readonly publishedPorts: readonly number[] })[];
  readonly volumes: readonly DockerObject[];
  readonly networks: readonly DockerObject[];
  /** seconds since 1970 by the VM's clock */
  readonly clockSeconds: number;
}

/** The login works, but the user cannot become root, so nothing more is known. */
export interface NoRoot {
  readonly rootless: true;
  readonly user: string;
}

/**
 * Reads what preflight.sh printed.
 *
 * @throws UserError where the answer is incomplete, as after a connection that broke
 */
export function parseFacts(text: string): HostFacts | NoRoot {
  const lines = text.split("\n").flatMap((line) => {
    const match = /^([a-z_]+)=(.*)$/.exec(line);
    return match ? [[match[1] ?? "", match[2] ?? ""] as const] : [];
  });
  const all = (name: string) => lines.filter(([key]) => key === name).map(([, value]) => value.split("|"));
  const one = (name: string) => lines.find(([key]) => key === name)?.[1] ?? "";
  if (one("root") === "no") return { rootless: true, user: one("user") };
  if (one("clock") === "") {
    throw new UserError("preflight: the VM's answer was cut off", "run the command again: npx foundation preflight");
  }
  const objects = (name: string) => all(name).map(([object = "", owner = ""]) => ({ name: object, owner }));
  return {
    os: { id: one("os_id"), version: one("os_version"), name: one("os_name") },
    memoryKiB: Number(one("memory_kib")),
    diskFreeKiB: Number(one("disk_free_kib")),
    diskMount: one("disk_mount"),
    listeners: all("listener").map(([port = "", process = ""]) => ({ port: Number(port), process })),
    docker: one("docker"),
    containers: all("container").map(([name = "", owner = "", ports = ""]) => {
      return { name, owner, publishedPorts: publishedPorts(ports) };
    }),
    volumes: objects("volume"),
    networks: objects("network"),
    clockSeconds: Number(one("clock")),
  };
}

/** TCP ports out of `docker ps`'s `0.0.0.0:443->443/tcp, [::]:8000-8002->8000-8002/tcp, 9000/tcp`; the last is not published. */
function publishedPorts(text: string): number[] {
  const ports = [...text.matchAll(/:(\d+)(?:-(\d+))?->[\d-]+\/tcp/g)].flatMap(([, first, last]) => {
    const from = Number(first);
    const to = Number(last ?? first);
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });
  return [...new Set(ports)];
}
