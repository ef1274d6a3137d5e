import type { Breakages } from "./graph-copy.ts";

export const graphBreakages: Breakages = {
  "graph: every URN is registered once": [
    [(g) => g.add("Container postgres", {}), "Container postgres: registered twice"],
  ],
  "graph: only known types": [
    [
      (g) => g.add("RandomPassword s3-secret-key", { type: "random:index/randomBytes:RandomBytes", name: "key" }),
      "RandomBytes key: random:index/randomBytes:RandomBytes is not a type of this program",
    ],
  ],
  "graph: nothing is read while the program runs": [
    [
      (g) => g.run.calls.push("docker:index/getNetwork:getNetwork"),
      "program: calls docker:index/getNetwork:getNetwork",
    ],
  ],
  "components: foundation:index:<Class>, without inputs and outputs": [
    [(g) => (g.get("Postgres postgres").type = "pkg:postgres"), "postgres postgres: type pkg:postgres"],
    [
      (g) => (g.get("Postgres postgres").inputs = { image: "postgres" }),
      "Postgres postgres: input image would be stored in state",
    ],
    [
      (g) => (g.get("Vault vault").outputs = { container: {} }),
      "Vault vault: output container would be stored in state",
    ],
  ],
  "components: the stack holds only components and the Docker provider": [
    [
      (g) => (g.get("Container postgres").parent = g.get("Postgres postgres").parent),
      "Container postgres: has no component as its parent",
    ],
  ],
  "providers: exactly one for Docker and one for Vault": [
    [(g) => g.add("docker vm", { name: "vm2" }), "pulumi:providers:docker: 2 of them"],
    [(g) => g.remove("vault vault"), "pulumi:providers:vault: 0 of them"],
    [
      (g) => g.add("docker vm", { type: "pulumi:providers:random", name: "random" }),
      "random random: a provider that is not needed",
    ],
  ],
  "providers: Docker and Vault only through the explicit one": [
    [(g) => (g.get("Volume postgres-data").provider = ""), "Volume postgres-data: would go to the default provider"],
    [
      (g) => (g.get("Policy policy-ci").provider = g.get("docker vm").urn),
      "Policy policy-ci: would go to the default provider",
    ],
  ],
  "providers: Docker is reached over SSH with the pinned host key, the same from every machine": [
    [
      (g) => (g.get("docker vm").inputs.host = "unix:///var/run/docker.sock"),
      "docker vm: host unix:///var/run/docker.sock is not ssh://user@host:port",
    ],
    [
      (g) => (g.get("docker vm").inputs.sshOpts = JSON.stringify(["-o", "BatchMode=yes"])),
      "docker vm: sshOpts without StrictHostKeyChecking=yes",
      "docker vm: sshOpts without UserKnownHostsFile=/dev/null",
      "docker vm: sshOpts without GlobalKnownHostsFile=/dev/null",
      "docker vm: sshOpts pin no host key",
    ],
    [
      (g) => {
        const { inputs } = g.get("docker vm");
        const options = JSON.parse(inputs.sshOpts as string) as string[];
        inputs.sshOpts = JSON.stringify([...options, "-i", "/home/ops/.ssh/id"]);
        inputs.registryAuth = "[]";
      },
      "docker vm: sshOpts with a path of this machine: /home/ops/.ssh/id",
      "docker vm: registryAuth is set",
    ],
  ],
  "names: the same in Pulumi and in Docker": [
    [(g) => (g.get("Network caddy-vault").inputs.name = "other"), "Network caddy-vault: name other is not caddy-vault"],
    [(g) => delete g.get("Volume vault-data").inputs.name, "Volume vault-data: name unset is not vault-data"],
  ],
  "names: everything in Docker carries the owner's label": [
    [(g) => (g.get("Volume vault-data").inputs.labels = []), "Volume vault-data: no label foundation.owner"],
    [
      (g) => (g.get("Volume vault-data").inputs.labels = [{ label: "foundation.owner", value: "me" }]),
      "Volume vault-data: foundation.owner is me",
    ],
    [
      (g) => (g.get("Container caddy").inputs.labels = [{ label: "foundation.owner", value: "0123456789abcdef" }]),
      "Container caddy: foundation.owner 0123456789abcdef is not that of backup-public",
    ],
  ],
  "order: nothing happens on the VM before it is set up": [
    [
      (g) => (g.get("RemoteImage caddy-image").parent = g.get("Credentials credentials").urn),
      "RemoteImage caddy-image: does not wait for host-setup",
    ],
  ],
  "order: nothing happens on the offsite before the VM was found fit": [
    [
      (g) => {
        const preflight = g.get("Command preflight").urn;
        for (const name of ["Offsite offsite", "Command offsite-setup"])
          g.get(name).dependencies = g.get(name).dependencies.filter((urn) => urn !== preflight);
      },
      "Command offsite-setup: does not wait for preflight",
    ],
  ],
};

export const stageBreakages: Breakages = {
  "stages: every resource is part of a component that has a stage": [
    [
      (g) => g.add("Postgres postgres", { type: "foundation:index:Mail", name: "mail" }),
      "Mail mail: belongs to no stage",
    ],
  ],
  "stages: nothing depends on a later stage": [
    [
      (g) => g.get("Postgres postgres").dependencies.push(g.get("Container forgejo").urn),
      "Postgres postgres (stage 2): depends on Container forgejo (stage 5)",
    ],
    [
      (g) => (g.get("Network caddy-vault").propertyDependencies = { name: [g.get("Container postgres").urn] }),
      "Network caddy-vault (stage 1): depends on Container postgres (stage 2)",
    ],
    [
      // As a child of Caddy it is itself of stage 6, and so is too late for what is in the forge.
      (g) => (g.get("Volume forgejo-data").parent = g.get("Caddy caddy").urn),
      "Container forgejo (stage 5): depends on Volume forgejo-data (stage 6)",
      "Seed seed (stage 3): depends on Volume forgejo-data (stage 6)",
    ],
    [
      (g) => (g.get("RemoteImage caddy-image").dependencies = ["urn:pulumi:test::foundation::x:y:Z::gone"]),
      "RemoteImage caddy-image: depends on urn:pulumi:test::foundation::x:y:Z::gone, which nothing registered",
    ],
  ],
  "stages: nothing but Vault's own configuration waits for an unsealed Vault": [
    [
      (g) => g.get("Forgejo forgejo").dependencies.push(g.get("SecretV2 forgejo-admin").urn),
      "Forgejo forgejo: depends on SecretV2 forgejo-admin",
    ],
    [
      (g) => g.get("Container caddy").dependencies.push(g.get("Command vault-ensure").urn),
      "Container caddy: depends on Command vault-ensure",
    ],
  ],
};
