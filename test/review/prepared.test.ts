import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import { readExample } from "../../cli/review/stack-files.ts";
import foundation from "../../index.ts";
import { knownSecrets } from "../../review/known-secrets.ts";
import { PASSPHRASE, placeholderKeyFile } from "../../review/placeholder-key.ts";
import { computed } from "../../review/placeholders.ts";
import { record } from "../../review/record.ts";
import { formatMarkdown } from "../../review/markdown.ts";
import { RULES } from "../../review/policy.ts";
import type { Run } from "../../review/policy/rule.ts";
import { compareStack, exitCodeOf, type Report } from "../../review/report.ts";
import { formatText } from "../../review/text.ts";
import { CONSUMERS } from "../program/fixture.ts";
import { Graph } from "../program/breakages/graph-copy.ts";

let directory: string;
let before: Run;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "review-"));
  writeFileSync(join(directory, "test.key.json"), await placeholderKeyFile("test"));
  process.env.PULUMI_CONFIG_PASSPHRASE = PASSPHRASE;
  before = await configured({});
});
afterAll(() => rmSync(directory, { recursive: true }));

const image = (reference: string, digit = "b"): string => `docker.io/${reference}@sha256:${digit.repeat(64)}`;

/** Of its own, so that an upgrade changes no expectation here. */
const IMAGES = {
  postgres: image("library/postgres:18.6-trixie"),
  rustfs: image("rustfs/rustfs:1.0.1"),
  vault: image("hashicorp/vault:2.1.2"),
  forgejo: image("forgejo/forgejo:15.0.9-rootless"),
  runner: image("forgejo/runner:13.2.0"),
  job: image("library/node:24-trixie"),
  caddy: image("library/caddy:2.11.7-alpine"),
  restic: image("restic/restic:0.19.1"),
  restServer: image("restic/rest-server:0.14.0"),
  node: image("library/node:24-trixie-slim"),
};

const EXAMPLE = readExample([join(import.meta.dirname, "../..")], "the tests").config;

/** The real program, with another configuration than the example. */
async function configured(changes: Record<string, unknown>): Promise<Run> {
  const own = Object.entries({ keyDirectory: directory, images: IMAGES, ...changes });
  const config = { ...EXAMPLE, ...Object.fromEntries(own.map(([key, value]) => [`foundation:${key}`, value])) };
  const recording = await record(foundation, {
    mode: "repreview",
    config,
    computed: (type, name) => computed(type, name),
  });
  return { ...recording, knownSecrets: knownSecrets(recording, config).flatMap(({ forms }) => forms) };
}

/** The program with something in it that its code does not have. */
function altered(alter: (graph: Graph) => void): Run {
  const graph = new Graph(before);
  alter(graph);
  return graph.run;
}

function compare(after: Run, from = before): Report {
  const violations = RULES.flatMap(({ name, check }) => check(after).map((line) => `${name}: ${line}`));
  const [old, now] = [
    { stack: "prod", recording: from, violations: [] },
    { stack: "prod", recording: after, violations },
  ];
  return { base: "main", commit: "1a2b3c4", notes: [], stacks: [compareStack(old, now)] };
}

/** Name, what is changed, exit code. The whole text of each is in expected/. */
const PREPARED: readonly (readonly [string, () => Promise<Run> | Run, number])[] = [
  [
    "image-bump",
    () => configured({ images: { ...IMAGES, caddy: image("library/caddy:2.11.8-alpine") } }),
    EXIT.attention,
  ],
  ["image-major", () => configured({ images: { ...IMAGES, vault: image("hashicorp/vault:3.0.0") } }), EXIT.attention],
  [
    "image-repinned",
    () => configured({ images: { ...IMAGES, caddy: image("library/caddy:2.11.7-alpine", "c") } }),
    EXIT.attention,
  ],
  [
    "latest-tag",
    () =>
      altered((graph) => {
        graph.get("Container caddy").inputs.image = "caddy:latest";
        graph.get("RemoteImage caddy-image").inputs.name = "caddy:latest";
      }),
    EXIT.refused,
  ],
  [
    "memory",
    () => altered((graph) => Object.assign(graph.get("Container postgres").inputs, { memory: 1024, memorySwap: 1024 })),
    EXIT.attention,
  ],
  ["size", () => configured({ size: "m" }), EXIT.attention],
  [
    "new-port",
    () =>
      altered((graph) => {
        const port = { protocol: "tcp", ip: "0.0.0.0", internal: 9000, external: 9000 };
        graph.get("Container rustfs").inputs.ports = [port];
      }),
    EXIT.refused,
  ],
  [
    "volume-rename",
    () =>
      altered((graph) => {
        const { urn } = graph.get("Volume forgejo-data");
        const renamed = graph.add("Volume forgejo-data", { name: "forge-data" });
        renamed.inputs.name = "forge-data";
        graph.remove("Volume forgejo-data");
        for (const resource of graph.run.resources) {
          const mounts = (resource.inputs.mounts ?? []) as { source: string }[];
          for (const mount of mounts) if (mount.source === "forgejo-data") mount.source = "forge-data";
          const { propertyDependencies: uses, dependencies } = resource;
          for (const urns of [dependencies, ...Object.values(uses)])
            if (urns.includes(urn)) urns[urns.indexOf(urn)] = renamed.urn;
        }
      }),
    EXIT.refused,
  ],
  ["site-added", () => configured({ sites: { home: "www.example.org" } }), EXIT.attention],
  ["offsite-removed", () => configured({ offsite: "none" }), EXIT.refused],
  ["network-change", () => configured({ subnet: "10.9.0.0/16" }), EXIT.refused],
  ["unprotected-volume", () => altered((graph) => (graph.get("Volume postgres-data").protect = false)), EXIT.refused],
  [
    "forward-edge",
    () => altered((graph) => graph.get("Container postgres").dependencies.push(graph.get("Container caddy").urn)),
    EXIT.refused,
  ],
  [
    "docker-socket",
    () =>
      altered((graph) => {
        const mounts = graph.get("Container runner").inputs.mounts as unknown[];
        const socket = "/var/run/docker.sock";
        mounts.push({ type: "bind", source: socket, target: socket, readOnly: true });
      }),
    EXIT.refused,
  ],
  [
    "hardening-lost",
    () =>
      altered((graph) =>
        Object.assign(graph.get("Container rustfs").inputs, { user: "0:0", capabilities: { drops: [], adds: [] } }),
      ),
    EXIT.refused,
  ],
  [
    "credential-length",
    () => altered((graph) => (graph.get("RandomPassword s3-secret-key").inputs.length = 64)),
    EXIT.attention,
  ],
  [
    "vault-policy",
    () =>
      altered((graph) => {
        const { inputs } = graph.get("Policy policy-ci");
        inputs.policy = String(inputs.policy).replace('["read"]', '["read", "update"]');
      }),
    EXIT.refused,
  ],
  [
    "script-change",
    () =>
      altered((graph) => {
        graph.get("Command host-setup").inputs.stdin += "echo one\n";
        (graph.get("Command bucket-forgejo").inputs.triggers as string[])[0] = "0123456789abcdef";
      }),
    EXIT.attention,
  ],
  [
    "container-added",
    () =>
      altered((graph) => {
        const network = graph.add("Network vault-backup", { name: "probe-public" });
        network.inputs = { ...network.inputs, name: "probe-public", internal: false };
        const probe = graph.add("Container runner", { name: "probe" });
        Object.assign(probe.inputs, { name: "probe", networksAdvanced: [{ name: "probe-public", aliases: [] }] });
      }),
    EXIT.refused,
  ],
  ["runner-removed", () => configured({ runner: { enabled: false } }), EXIT.attention],
  [
    "order",
    () => altered((graph) => graph.get("Container backup").dependencies.push(graph.get("Command bucket-forgejo").urn)),
    EXIT.attention,
  ],
  ["consumer-added", () => configured(CONSUMERS), EXIT.attention],
  ["nothing", () => configured({}), EXIT.ok],
];

/** Hashes of scripts and of the job's program change with every change of these. */
const withoutHashes = (text: string): string => text.replaceAll(/\b[0-9a-f]{16}\b/g, "<hash>");

const COMMENTS = ["image-major", "new-port", "volume-rename", "offsite-removed"];

it.each(PREPARED)("%s", async (name, change, exitCode) => {
  const report = compare(await change());
  const [text, comment] = [`${formatText(report)}\n`, formatMarkdown(report)].map(withoutHashes);
  await expect(text).toMatchFileSnapshot(`expected/${name}.txt`);
  if (COMMENTS.includes(name)) await expect(comment).toMatchFileSnapshot(`expected/${name}.comment.txt`);
  expect(exitCodeOf(report)).toBe(exitCode);
  // not even of placeholders
  const secrets = before.knownSecrets.filter((secret) =>
    [text, comment, JSON.stringify(report)].join().includes(secret),
  );
  expect(secrets).toEqual([]);
});

it("consumer-removed", async () => {
  const report = compare(before, await configured(CONSUMERS));
  await expect(withoutHashes(`${formatText(report)}\n`)).toMatchFileSnapshot("expected/consumer-removed.txt");
  expect(exitCodeOf(report)).toBe(EXIT.attention);
});
