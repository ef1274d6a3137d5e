/** Who can talk to whom, as constants: names are the identity of networks and containers, and the addresses of services. */

export interface NetworkShape {
  /** third octet of the subnet; identity, so never reused for another network */
  readonly octet: number;
  /** internal: no route to anywhere but its members. isolated: ports can be published, nothing gets out. open: both */
  readonly kind: "internal" | "isolated" | "open";
}

/**
 * One network per pair of services that talk to each other, so that no service can reach what it does not use.
 * A container with only internal networks cannot publish a port, hence the three others. In the order in which services
 * start: Docker makes one after the other, and the stores wait for no more than they need.
 */
export const NETWORKS = {
  "postgres-forgejo": { octet: 1, kind: "internal" },
  "postgres-backup": { octet: 14, kind: "internal" },
  "rustfs-forgejo": { octet: 2, kind: "internal" },
  "rustfs-backup": { octet: 15, kind: "internal" },
  "caddy-rustfs": { octet: 5, kind: "internal" },
  "caddy-vault": { octet: 4, kind: "internal" },
  "vault-backup": { octet: 16, kind: "internal" },
  /** publishes Vault on the VM's loopback for the SSH tunnel */
  "vault-loopback": { octet: 12, kind: "isolated" },
  "caddy-forgejo": { octet: 3, kind: "internal" },
  /** the backup leaves its mark in a repository of its own */
  "forgejo-backup": { octet: 18, kind: "internal" },
  /** publishes git over SSH; mirrors go out here */
  "forgejo-public": { octet: 11, kind: "open" },
  /** publishes 80 and 443; ACME goes out here */
  "caddy-public": { octet: 10, kind: "open" },
  /** the runner's only network: it reaches the forge through Caddy, as everybody outside does */
  "runner-caddy": { octet: 13, kind: "open" },
  /** the backup reaches the offsite through it, and nothing else does */
  "backup-public": { octet: 17, kind: "open" },
} as const satisfies Record<string, NetworkShape>;

/** Name of a network; the same in Pulumi, in Docker and in the documentation. */
export type NetworkName = keyof typeof NETWORKS;

/** The subnet of a network, as CIDR. */
export function subnet(prefix: string, name: NetworkName): string {
  return `${prefix}.${String(NETWORKS[name].octet)}.0/24`;
}

/** The gateway of a network; given, because one that the daemon chose would be a difference at the next refresh. */
export function gateway(prefix: string, name: NetworkName): string {
  return `${prefix}.${String(NETWORKS[name].octet)}.1`;
}

/** The web server's address for jobs, which are not on a Docker network; at the end, where Docker hands out none. */
export function jobsDoor(prefix: string): string {
  return `${prefix}.${String(NETWORKS["runner-caddy"].octet)}.254`;
}

/** `host:port` of each service inside the networks. Constants, so that replacing a container replaces no other. */
export const ENDPOINTS = {
  forgejo: "forgejo:3000",
  postgres: "postgres:5432",
  s3: "rustfs:9000",
  vault: "vault:8200",
} as const;

/** What S3 clients assume when they are told nothing. */
export const S3_REGION = "us-east-1";

/** Every container of the VM; what is not ours under one of these names stops a deployment. */
export const CONTAINERS = ["postgres", "rustfs", "vault", "forgejo", "runner", "caddy", "backup"] as const;

/** Data volumes of the services that every foundation has. */
export const SERVICE_VOLUMES = [
  "postgres-data",
  "rustfs-data",
  "vault-data",
  "vault-logs",
  "forgejo-data",
  "caddy-data",
] as const;

/** Every data volume, those of what can be left out too. */
export const VOLUMES = [...SERVICE_VOLUMES, "backup-data"] as const;

/** Name of a data volume. */
export type VolumeName = (typeof VOLUMES)[number];
