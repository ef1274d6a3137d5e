import {
  ClusterSecretStore,
  ExternalSecret,
  type IClusterSecretStore,
  type IExternalSecret,
} from "@kubernetes-models/external-secrets/external-secrets.io/v1";
import { GitRepository, type IGitRepository } from "@kubernetes-models/flux-cd/source.toolkit.fluxcd.io/v1";
import { ConfigMap, Namespace, Secret, type IConfigMap, type INamespace, type ISecret } from "kubernetes-models/v1";
import { expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { formatKit, kit, type KitArgs } from "../../../cli/consumer/kit.ts";
import { formatConsumers } from "../../../cli/commands/consumer.ts";
import { parseConfig } from "../../../config.ts";
import { VALID } from "../../config/valid.ts";

const { consumers } = parseConfig({
  ...VALID,
  consumers: [
    {
      name: "cluster",
      organisation: "clusters",
      access: "read",
      repositories: ["fleet", "my_infra"],
      buckets: [{ name: "velero" }],
      database: true,
    },
    { name: "ci-team" },
  ],
});
const [cluster] = consumers;
if (cluster === undefined) throw new Error("no consumer");
const CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const ARGS: KitArgs = {
  consumer: cluster,
  sites: { git: "git.example.org", vault: "vault.example.org" },
  ca: CA,
  flavor: "all",
  roleId: "role-of-cluster",
};
const REVEALED: KitArgs = { ...ARGS, revealed: { secretId: "s3cr3t-id", token: "t0k3n" } };

// The types refuse a field that there is none of, which the published schemas let through; the schemas look at the rest.
const namespace: INamespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "foundation" } };
const ca: IConfigMap = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "foundation-ca", namespace: "foundation" },
  data: { "ca.crt": CA },
};
const store: IClusterSecretStore = {
  apiVersion: "external-secrets.io/v1",
  kind: "ClusterSecretStore",
  metadata: { name: "foundation" },
  spec: {
    provider: {
      vault: {
        server: "https://vault.example.org",
        path: "foundation",
        version: "v2",
        caProvider: { type: "ConfigMap", name: "foundation-ca", namespace: "foundation", key: "ca.crt" },
        auth: {
          appRole: {
            path: "approle",
            roleId: "role-of-cluster",
            secretRef: { name: "foundation-vault", namespace: "foundation", key: "secretId" },
          },
        },
      },
    },
  },
};
type Template = NonNullable<NonNullable<NonNullable<IExternalSecret["spec"]>["target"]>["template"]>;
const external = (name: string, inNamespace: string, template: Template): IExternalSecret => ({
  apiVersion: "external-secrets.io/v1",
  kind: "ExternalSecret",
  metadata: { name, namespace: inNamespace },
  spec: {
    refreshInterval: "15m0s",
    secretStoreRef: { kind: "ClusterSecretStore", name: "foundation" },
    target: { name, template },
    data: [{ secretKey: "token", remoteRef: { key: "consumers/cluster/forge", property: "token" } }],
  },
});
const docker = (password: string): string =>
  `{"auths":{"git.example.org":{"username":"cluster-robot","password":"${password}"}}}`;
const pull = external("foundation-registry", "foundation", {
  type: "kubernetes.io/dockerconfigjson",
  data: { ".dockerconfigjson": docker("{{ .token }}") },
});
const mirror: IConfigMap = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "foundation-containerd", namespace: "foundation" },
  data: {
    "hosts.toml": `server = "https://git.example.org"

[host."https://git.example.org"]
  capabilities = ["pull", "resolve"]
  ca = "/etc/containerd/certs.d/git.example.org/ca.crt"
`,
  },
};
const fluxCredentials = external("foundation-git", "flux-system", {
  data: { username: "cluster-robot", password: "{{ .token }}", "ca.crt": CA },
});
const repository = (name: string, url: string): IGitRepository => ({
  apiVersion: "source.toolkit.fluxcd.io/v1",
  kind: "GitRepository",
  metadata: { name, namespace: "flux-system" },
  spec: { interval: "1m0s", url, ref: { branch: "main" }, secretRef: { name: "foundation-git" } },
});
const repositories = [
  repository("fleet", "https://git.example.org/clusters/fleet.git"),
  repository("my-infra", "https://git.example.org/clusters/my_infra.git"),
];
const argocdCertificates: IConfigMap = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "argocd-tls-certs-cm", namespace: "argocd", labels: { "app.kubernetes.io/part-of": "argocd" } },
  data: { "git.example.org": CA },
};
const argocdCredentials = external("foundation-git", "argocd", {
  metadata: { labels: { "argocd.argoproj.io/secret-type": "repo-creds" } },
  data: {
    type: "git",
    url: "https://git.example.org/clusters",
    username: "cluster-robot",
    password: "{{ .token }}",
  },
});
const secret = (
  name: string,
  inNamespace: string,
  stringData: Record<string, string>,
  more: Partial<ISecret> = {},
): ISecret => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, namespace: inNamespace, ...more.metadata },
  type: more.type ?? "Opaque",
  stringData,
});

const MODELS = { Namespace, ConfigMap, Secret, ClusterSecretStore, ExternalSecret, GitRepository };

/** What `kubectl apply` would read. @throws Error with the schema's complaint */
function applied(args: KitArgs): unknown[] {
  return parseAllDocuments(formatKit(args)).map((document) => {
    expect(document.errors).toEqual([]);
    const manifest = document.toJS() as { kind: keyof typeof MODELS };
    new MODELS[manifest.kind](manifest as never).validate();
    return manifest;
  });
}

it("attaches a cluster whose secrets External Secrets fetches, whatever reads its repositories", () => {
  expect(applied(ARGS)).toEqual([
    ...[namespace, ca, store, pull, mirror],
    ...[fluxCredentials, ...repositories],
    ...[argocdCertificates, argocdCredentials],
  ]);
});

it("is for one of the two where that is asked for", () => {
  const common = [namespace, ca, store, pull, mirror];
  expect(applied({ ...ARGS, flavor: "flux" })).toEqual([...common, fluxCredentials, ...repositories]);
  expect(applied({ ...ARGS, flavor: "argocd" })).toEqual([...common, argocdCertificates, argocdCredentials]);
});

it("has the secrets themselves where they are revealed", () => {
  expect(applied(REVEALED)).toEqual([
    namespace,
    ca,
    secret("foundation-vault", "foundation", { secretId: "s3cr3t-id" }),
    store,
    secret(
      "foundation-registry",
      "foundation",
      { ".dockerconfigjson": docker("t0k3n") },
      { type: "kubernetes.io/dockerconfigjson" },
    ),
    mirror,
    secret("foundation-git", "flux-system", { username: "cluster-robot", password: "t0k3n", "ca.crt": CA }),
    ...repositories,
    argocdCertificates,
    secret(
      "foundation-git",
      "argocd",
      { type: "git", url: "https://git.example.org/clusters", username: "cluster-robot", password: "t0k3n" },
      { metadata: { labels: { "argocd.argoproj.io/secret-type": "repo-creds" } } },
    ),
  ]);
});

it("speaks of no CA where a public one signs", () => {
  const manifests = applied({ ...ARGS, ca: undefined });
  expect(JSON.stringify(manifests)).not.toMatch(/ca\.crt|caProvider|argocd-tls-certs-cm|foundation-ca/);
});

it("says what is not in it", () => {
  expect(formatKit(ARGS).split("---\n")[0]).toBe(`# Attaches a cluster to the foundation as its consumer cluster.
# The secret foundation/foundation-vault, with which everything else is fetched from Vault, is not in here.
# With it, and with what it fetches: npx foundation consumer kit cluster --reveal
`);
  expect(formatKit(REVEALED).split("---\n")[0]).toBe(
    "# Attaches a cluster to the foundation as its consumer cluster.\n# Holds secrets.\n",
  );
  expect(formatKit(ARGS)).not.toMatch(/s3cr3t|t0k3n/);
});

it("applies every object once", () => {
  const names = kit(ARGS).map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ""}/${metadata.name}`);
  expect(new Set(names).size).toBe(names.length);
});

it("consumers are listed with what each has", () => {
  expect(formatConsumers(consumers))
    .toBe(`┌─────────┬─────────────────────────────────┬─────────┬──────────┬───────────────────────────────┬──────────┐
│ name    │ at the forge                    │ buckets │ database │ in Vault                      │ webhooks │
├─────────┼─────────────────────────────────┼─────────┼──────────┼───────────────────────────────┼──────────┤
│ cluster │ clusters, read: fleet, my_infra │ velero  │ cluster  │ foundation/consumers/cluster/ │ 0        │
├─────────┼─────────────────────────────────┼─────────┼──────────┼───────────────────────────────┼──────────┤
│ ci-team │ ci-team, write: no repository   │ –       │ –        │ foundation/consumers/ci-team/ │ 0        │
└─────────┴─────────────────────────────────┴─────────┴──────────┴───────────────────────────────┴──────────┘`);
  expect(formatConsumers([])).toBe("No consumers are declared (docs/how-to.md, Attach a consumer).");
});
