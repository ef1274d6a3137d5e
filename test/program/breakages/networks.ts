import type { Breakages } from "./graph-copy.ts";

const port = (external: number, internal = external, ip = "0.0.0.0"): unknown => ({
  external,
  internal,
  ip,
  protocol: "tcp",
});

export const networkBreakages: Breakages = {
  "networks: never replaced unseen": [
    [(g) => (g.get("Network caddy-vault").protect = false), "Network caddy-vault: protect false is not true"],
    [
      (g) => (g.get("Network caddy-vault").retainOnDelete = true),
      "Network caddy-vault: retainOnDelete true is not false",
    ],
  ],
  "networks: shape, subnet and bridge as declared": [
    [(g) => (g.get("Network caddy-vault").inputs.internal = false), "Network caddy-vault: internal false is not true"],
    [
      (g) => delete g.get("Network vault-loopback").inputs.options["com.docker.network.bridge.enable_ip_masquerade"],
      "Network vault-loopback: com.docker.network.bridge.enable_ip_masquerade unset is not false",
    ],
    [
      (g) => (g.get("Network caddy-vault").inputs.options["com.docker.network.bridge.name"] = "br0"),
      "Network caddy-vault: com.docker.network.bridge.name br0 is not fnd-4",
    ],
    [
      (g) => (g.get("Network caddy-vault").inputs.ipamConfigs = [{ subnet: "10.0.9.0/24", gateway: "10.0.8.1" }]),
      "Network caddy-vault: subnet 10.0.9.0/24",
      "Network caddy-vault: gateway 10.0.8.1",
    ],
    [(g) => (g.get("Network caddy-vault").name = "caddy-mail"), "Network caddy-mail: not declared in NETWORKS"],
  ],
  "networks: the declared ones, in subnets of their own": [
    [(g) => g.remove("Network caddy-vault"), "Network caddy-vault: declared and not registered"],
    [
      (g) => (g.get("Network caddy-vault").inputs.ipamConfigs = g.get("Network caddy-rustfs").inputs.ipamConfigs),
      "Network caddy-vault: shares its subnet with another",
    ],
  ],
  "networks: exactly the members that their name says": [
    [
      (g) => g.get("Container runner").inputs.networksAdvanced.push({ name: "postgres-forgejo", aliases: [] }),
      "Network postgres-forgejo: members forgejo, postgres, runner, not forgejo, postgres",
    ],
    [
      (g) => (g.get("Container rustfs").inputs.networksAdvanced = []),
      "Network caddy-rustfs: members caddy, not caddy, rustfs",
      "Network rustfs-backup: members backup, not backup, rustfs",
      "Network rustfs-forgejo: members forgejo, not forgejo, rustfs",
    ],
    [(g) => g.remove("Container runner"), "Network runner-caddy: members caddy, not nobody"],
  ],
  "networks: exist before a container joins them": [
    [
      (g) => (g.get("Postgres postgres").dependencies = []),
      "Container postgres: does not wait for postgres-forgejo",
      "Container postgres: does not wait for postgres-backup",
    ],
    [
      (g) => (g.get("Container postgres").inputs.networksAdvanced = [{ name: "bridge", aliases: [] }]),
      "Container postgres: does not wait for bridge",
    ],
  ],
  "networks: no alias takes the name of another service": [
    [
      (g) => (g.get("Container caddy").inputs.networksAdvanced[0].aliases = ["postgres"]),
      "Container caddy: alias postgres is a container",
    ],
  ],
  "networks: the runner reaches the web server alone": [
    [
      (g) => (g.get("Container runner").inputs.networksAdvanced = [{ name: "caddy-vault", aliases: [] }]),
      "Container runner: joins caddy-vault",
    ],
  ],
  "ports: only the web server's, git over SSH, and Vault's on the loopback": [
    [
      (g) => (g.get("Container postgres").inputs.ports = [port(5432)]),
      "Container postgres: publishes 0.0.0.0:5432->5432/tcp",
    ],
    [
      (g) => (g.get("Container vault").inputs.ports[0].ip = "0.0.0.0"),
      "Container vault: publishes 0.0.0.0:8200->8200/tcp",
    ],
    [
      (g) => (g.get("Container forgejo").inputs.ports = [port(2222), port(3000)]),
      "Container forgejo: publishes 0.0.0.0:3000->3000/tcp",
    ],
    [(g) => delete g.get("Container caddy").inputs.ports, "Container caddy: publishes 0 of 3 ports"],
  ],
  "ports: sorted as the daemon reports them": [
    [(g) => g.get("Container caddy").inputs.ports.reverse(), "Container caddy: ports 443, 443, 80"],
  ],
  "ports: each taken once": [
    [(g) => (g.get("Container forgejo").inputs.ports = [port(443, 2222)]), "Container forgejo: 443/tcp is taken"],
  ],
  "ports: published through a network that can publish": [
    [
      (g) => (g.get("Container vault").inputs.networksAdvanced = [{ name: "caddy-vault", aliases: [] }]),
      "Container vault: publishes ports and has only internal networks",
    ],
  ],
};
