import type { Rig } from "./rig.ts";
import { UserError } from "../errors.ts";
import { LABEL } from "./label.ts";

/** Network that connects VMs and registry; the machine itself is its gateway. */
export const NETWORK = "foundation-sandbox";

// The first one that is free. All are far from Docker's own pools and from the program's default 172.30.0.0/16.
const SUBNETS = ["10.87.53.0/24", "10.187.53.0/24", "192.168.253.0/24"];

/** Last octet of each member's address; VMs keep theirs, because the address is in the stack's state. */
const HOST_NUMBERS: Record<string, number> = { registry: 2, prod: 10, offsite: 11, dr: 12 };

/** Creates the network unless it is there. Returns its prefix: `10.87.53`. */
export async function ensureNetwork({ exec }: Rig): Promise<string> {
  const existing = await exec(
    ["docker", "network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", NETWORK],
    { mayFail: true },
  );
  if (existing.code === 0) return prefixOf(existing.stdout.trim());
  for (const subnet of SUBNETS) {
    const created = await exec(["docker", "network", "create", "--label", LABEL, "--subnet", subnet, NETWORK], {
      mayFail: true,
    });
    if (created.code === 0) return prefixOf(subnet);
    if (!/overlap/.test(created.stderr))
      throw new UserError(`docker network create: ${created.stderr.trim()}`, "docker info");
  }
  throw new UserError(
    `docker network create: all of ${SUBNETS.join(", ")} overlap with networks that exist`,
    "docker network ls, and remove one of those that are not needed",
  );
}

/** Address of a member of the network; VMs that are not known by name get one that their name decides. */
export function addressOf(member: string, prefix: string): string {
  const number =
    HOST_NUMBERS[member] ?? 20 + ([...member].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7) % 200);
  return `${prefix}.${number}`;
}

const prefixOf = (subnet: string): string => subnet.split(".").slice(0, 3).join(".");
