import type { Breakages } from "./graph-copy.ts";

const POSTGRES = "Container postgres";
const DIGEST = "a".repeat(64);

export const containerBreakages: Breakages = {
  "containers: only options of the factory": [
    [
      (g) => Object.assign(g.get(POSTGRES).inputs, { privileged: true, uploads: [], networkMode: "host" }),
      "Container postgres: privileged is set",
      "Container postgres: uploads is set",
      "Container postgres: networkMode is set",
    ],
  ],
  "containers: stopped, not killed": [
    [
      (g) => delete g.get(POSTGRES).inputs.destroyGraceSeconds,
      "Container postgres: destroyGraceSeconds unset is not above 0",
    ],
    [
      (g) => (g.get(POSTGRES).inputs.destroyGraceSeconds = 0),
      "Container postgres: destroyGraceSeconds 0 is not above 0",
    ],
    [(g) => (g.get(POSTGRES).inputs.stopTimeout = 10), "Container postgres: stopTimeout 10 is not 120"],
  ],
  "containers: replaced as a whole, the old one first": [
    [
      (g) => (g.get(POSTGRES).replaceOnChanges = ["image"]),
      'Container postgres: replaceOnChanges ["image"] is not ["*"]',
    ],
    [(g) => (g.get(POSTGRES).deleteBeforeReplace = false), "Container postgres: deleteBeforeReplace false is not true"],
    [(g) => (g.get(POSTGRES).ignoreChanges = ["image"]), 'Container postgres: ignoreChanges ["image"] is not []'],
  ],
  "containers: all capabilities dropped but the few that are needed": [
    [
      (g) => (g.get(POSTGRES).inputs.capabilities = { drops: ["CAP_CHOWN"], adds: [] }),
      'Container postgres: drops ["CAP_CHOWN"] is not ["ALL"]',
    ],
    [
      (g) => (g.get(POSTGRES).inputs.capabilities.adds = ["CAP_SYS_ADMIN"]),
      'Container postgres: adds ["CAP_SYS_ADMIN"] is not []',
    ],
    [
      (g) => (g.get("Container caddy").inputs.capabilities.adds = ["NET_BIND_SERVICE"]),
      'Container caddy: adds ["NET_BIND_SERVICE"] is not ["CAP_NET_BIND_SERVICE"]',
    ],
  ],
  "containers: no way to gain privileges, nothing writable but mounts": [
    [(g) => (g.get(POSTGRES).inputs.readOnly = false), "Container postgres: readOnly false is not true"],
    [
      (g) => delete g.get(POSTGRES).inputs.securityOpts,
      'Container postgres: securityOpts unset is not ["no-new-privileges:true"]',
    ],
  ],
  "containers: a numeric user other than root": [
    [(g) => (g.get(POSTGRES).inputs.user = "0:0"), "Container postgres: user 0:0"],
    [(g) => (g.get(POSTGRES).inputs.user = "postgres"), "Container postgres: user postgres"],
    [(g) => (g.get(POSTGRES).inputs.user = "999"), "Container postgres: user 999"],
    [(g) => delete g.get(POSTGRES).inputs.user, "Container postgres: user unset"],
  ],
  "containers: a memory limit without swap": [
    [(g) => delete g.get(POSTGRES).inputs.memory, "Container postgres: memory unset"],
    [(g) => delete g.get(POSTGRES).inputs.memorySwap, "Container postgres: memorySwap unset is not 768"],
  ],
  "containers: logs are rotated": [
    [
      (g) => (g.get(POSTGRES).inputs.logOpts = {}),
      'Container postgres: logOpts {} is not {"max-file":"3","max-size":"10m"}',
    ],
    [(g) => (g.get(POSTGRES).inputs.logDriver = "none"), "Container postgres: logDriver none is not json-file"],
  ],
  "containers: come back after a reboot": [
    [(g) => (g.get(POSTGRES).inputs.restart = "no"), "Container postgres: restart no is not unless-stopped"],
    [(g) => (g.get(POSTGRES).inputs.mustRun = false), "Container postgres: mustRun false is not true"],
  ],
  "containers: count as created when they are healthy": [
    [(g) => (g.get(POSTGRES).inputs.wait = false), "Container postgres: wait false is not true"],
    [(g) => (g.get(POSTGRES).inputs.waitTimeout = 0), "Container postgres: waitTimeout is not above 0"],
    [
      (g) => delete g.get(POSTGRES).inputs.healthcheck,
      "Container postgres: healthcheck runs []",
      "Container postgres: healthcheck.interval unset is not a duration as Go prints it",
      "Container postgres: healthcheck.timeout unset is not a duration as Go prints it",
      "Container postgres: healthcheck.startPeriod unset is not a duration as Go prints it",
      "Container postgres: healthcheck.startInterval unset is not a duration as Go prints it",
      "Container postgres: healthcheck.retries unset",
      "Container postgres: startInterval unset is not 1s",
    ],
    [
      (g) => (g.get(POSTGRES).inputs.healthcheck.tests = ["CMD-SHELL", "true"]),
      'Container postgres: healthcheck runs ["CMD-SHELL","true"]',
    ],
    [
      (g) => (g.get(POSTGRES).inputs.healthcheck.startPeriod = "120s"),
      "Container postgres: healthcheck.startPeriod 120s is not a duration as Go prints it",
    ],
    [
      (g) => (g.get(POSTGRES).inputs.healthcheck.startInterval = "5s"),
      "Container postgres: startInterval 5s is not 1s",
    ],
  ],
  "containers: image pinned by digest, pulled before and kept": [
    [(g) => (g.get(POSTGRES).inputs.image = "postgres:18"), "Container postgres: image postgres:18 has no digest"],
    [
      (g) => (g.get(POSTGRES).inputs.image = `postgres:18@sha256:${DIGEST}`),
      `Container postgres: image postgres:18@sha256:${DIGEST} is not pulled`,
    ],
    [
      (g) => {
        const postgres = g.get(POSTGRES);
        const image = g.get("RemoteImage postgres-image");
        postgres.dependencies = postgres.dependencies.filter((urn) => urn !== image.urn);
        postgres.propertyDependencies.image = [image.urn];
        image.inputs.keepLocally = false;
      },
      "Container postgres: does not wait for postgres-image",
      "Container postgres: image is computed, not a literal",
      "Container postgres: postgres-image: keepLocally false is not true",
    ],
  ],
  "containers: the backup's image is built from what was pulled": [
    [
      (g) => (g.get("Container backup").inputs.image = "foundation/backup:latest"),
      "Container backup: image foundation/backup:latest is not built",
    ],
    [
      (g) => {
        const build = g.get("Command backup-image");
        const restic = g.get("RemoteImage restic-image");
        build.dependencies = build.dependencies.filter((urn) => urn !== restic.urn);
        g.get("RemoteImage node-image").inputs.name = `node:24@sha256:${DIGEST}`;
        const backup = g.get("Container backup");
        backup.dependencies = backup.dependencies.filter((urn) => urn !== build.urn);
      },
      "Container backup: does not wait for backup-image",
      "Container backup: its image is built without the pulled restic",
      "Container backup: its image is built without the pulled node",
    ],
  ],
  "containers: no input comes from another container": [
    [
      (g) => (g.get("Container forgejo").propertyDependencies.envs = [g.get(POSTGRES).urn]),
      "Container forgejo: envs <- postgres",
    ],
    [
      (g) => {
        g.get("Command forgejo-files").propertyDependencies.triggers = [g.get(POSTGRES).urn];
        g.get("Container forgejo").propertyDependencies.labels = [g.get("Command forgejo-files").urn];
      },
      "Container forgejo: labels <- forgejo-files.triggers <- postgres",
    ],
  ],
  "containers: host directories only from /etc/foundation, read-only": [
    [
      (g) =>
        (g.get("Container runner").inputs.mounts as unknown[]).push(
          { type: "bind", source: "/var/run/docker.sock", target: "/docker.sock", readOnly: true },
          { type: "bind", source: "/etc/foundation/vault", target: "/secrets", readOnly: true },
        ),
      "Container runner: /var/run/docker.sock is mounted",
      "Container runner: /etc/foundation/vault is mounted",
    ],
    [
      (g) => (g.get(POSTGRES).inputs.mounts[0].readOnly = false),
      "Container postgres: /etc/foundation/postgres is writable",
    ],
    [
      (g) => (g.get(POSTGRES).inputs.mounts[0].type = "npipe"),
      "Container postgres: mount of type npipe at /etc/foundation",
    ],
  ],
  "containers: data volumes mounted from the resource": [
    [
      (g) => delete g.get(POSTGRES).propertyDependencies.mounts,
      "Container postgres: volume postgres-data is named, not referenced",
    ],
  ],
  "containers: restarted when a file changes": [
    [(g) => (g.get(POSTGRES).inputs.labels as unknown[]).shift(), "Container postgres: no label foundation.files"],
    [
      (g) => {
        const postgres = g.get(POSTGRES);
        postgres.dependencies = postgres.dependencies.filter((urn) => !urn.endsWith("::postgres-files"));
      },
      "Container postgres: does not wait for postgres-files",
    ],
  ],
};
