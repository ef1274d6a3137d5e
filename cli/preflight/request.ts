import { z } from "zod";
import { CONTAINERS, NETWORKS, VOLUMES } from "../../components/topology.ts";
import type { SshTarget } from "../../ssh-target.ts";
import { parseProgramRequest } from "../program-request.ts";
import type { OpenStack } from "../stack.ts";

/** What the foundation is about to use on a VM. */
export interface PreflightRequest {
  readonly target: SshTarget;
  /** TCP ports of the VM that will be published */
  readonly ports: readonly number[];
  /** value of the label `foundation.owner` on everything that is ours */
  readonly ownerId: string;
  readonly containers: readonly string[];
  readonly volumes: readonly string[];
  readonly networks: readonly string[];
  readonly minimumDiskGib: number;
  readonly minimumMemoryMib: number;
}

const names = z.array(z.string().min(1));
const schema = z.strictObject({
  target: z.strictObject({ address: z.string(), user: z.string(), port: z.number(), hostKey: z.string() }),
  ports: z.array(z.number().int().min(1).max(65535)),
  ownerId: z.string().min(1),
  containers: names,
  volumes: names,
  networks: names,
  minimumDiskGib: z.number(),
  minimumMemoryMib: z.number(),
});

/**
 * Reads the request that the Pulumi program hands over in FOUNDATION_PREFLIGHT.
 *
 * @throws UserError (config) naming each wrong property
 */
export function parseRequest(json: string): PreflightRequest {
  const hint = "this variable is set by the Pulumi program; unset it to take the values from the stack's configuration";
  return parseProgramRequest(schema, "FOUNDATION_PREFLIGHT", json, hint);
}

/** What a stack is about to use, for a person who asks before the Pulumi program does. */
export function requestOf({ config, secrets }: Pick<OpenStack, "config" | "secrets">): PreflightRequest {
  return {
    target: config.host,
    ports: [80, 443, config.forge.sshPort],
    ownerId: secrets.ownerId,
    containers: CONTAINERS,
    volumes: VOLUMES,
    networks: Object.keys(NETWORKS),
    minimumDiskGib: config.sizing.host.diskGiB,
    minimumMemoryMib: config.sizing.host.memoryMiB,
  };
}
