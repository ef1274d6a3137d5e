import { stringify } from "yaml";
import type { Consumer } from "../../config-consumers.ts";
import type { Sites } from "../../config.ts";

/** Which GitOps controller is to read the consumer's repositories. */
export const FLAVORS = ["argocd", "flux", "all"] as const;
export type Flavor = (typeof FLAVORS)[number];

/** A Kubernetes object. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Readonly<{ name: string; namespace?: string; labels?: Readonly<Record<string, string>> }>;
  readonly [field: string]: unknown;
}

/** What a cluster needs to know. */
export interface KitArgs {
  readonly consumer: Consumer;
  readonly sites: Pick<Sites, "git" | "vault">;
  /** PEM of the CA that signs the sites; undefined where a public one does */
  readonly ca: string | undefined;
  readonly flavor: Flavor;
  readonly roleId: string;
  /** what opens the accesses; without it, the cluster fetches everything from Vault but what it logs in with */
  readonly revealed?: { readonly secretId: string; readonly token: string };
}

const NAMESPACE = "foundation";
const CA = { name: "foundation-ca", key: "ca.crt" } as const;
const LOGIN = { name: "foundation-vault", key: "secretId" } as const;
const STORE = { apiVersion: "external-secrets.io/v1", name: "foundation" } as const;

/** Everything that attaches a cluster to the foundation, in the order in which it is applied. */
export function kit(args: KitArgs): Manifest[] {
  const { flavor, revealed } = args;
  const flux = flavor === "argocd" ? [] : [...credentials(args, FLUX_CREDENTIALS), ...gitRepositories(args)];
  const argocd = flavor === "flux" ? [] : [...argocdCertificates(args), ...credentials(args, ARGOCD_CREDENTIALS)];
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
    ...certificateAuthority(args),
    ...(revealed ? [secret(LOGIN.name, NAMESPACE, { [LOGIN.key]: revealed.secretId })] : []),
    secretStore(args),
    ...credentials(args, PULL_CREDENTIALS),
    registryMirror(args),
    ...flux,
    ...argocd,
  ];
}

/** The kit as `kubectl apply -f -` takes it. */
export function formatKit(args: KitArgs): string {
  const { name } = args.consumer;
  const missing = `# The secret ${NAMESPACE}/${LOGIN.name}, with which everything else is fetched from Vault, is not in here.
# With it, and with what it fetches: npx foundation consumer kit ${name} --reveal`;
  const head = `# Attaches a cluster to the foundation as its consumer ${name}.\n${args.revealed ? "# Holds secrets." : missing}\n`;
  return (
    head +
    kit(args)
      .map((manifest) => `---\n${stringify(manifest, { lineWidth: 0 })}`)
      .join("")
  );
}

function certificateAuthority({ ca }: KitArgs): Manifest[] {
  return ca === undefined ? [] : [configMap(CA.name, NAMESPACE, { [CA.key]: ca })];
}

/** Everything in the consumer's tree in Vault, for External Secrets. */
function secretStore({ sites, ca, roleId }: KitArgs): Manifest {
  const caProvider = { type: "ConfigMap", name: CA.name, namespace: NAMESPACE, key: CA.key };
  return {
    apiVersion: STORE.apiVersion,
    kind: "ClusterSecretStore",
    metadata: { name: STORE.name },
    spec: {
      provider: {
        vault: {
          server: `https://${sites.vault}`,
          path: "foundation",
          version: "v2",
          ...(ca === undefined ? {} : { caProvider }),
          auth: {
            appRole: {
              path: "approle",
              roleId,
              secretRef: { name: LOGIN.name, namespace: NAMESPACE, key: LOGIN.key },
            },
          },
        },
      },
    },
  };
}

/** A secret made of the forge's token. */
interface Credentials {
  readonly name: string;
  readonly namespace: string;
  readonly type?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** @param token the token, or what a template puts in its place */
  readonly data: (args: KitArgs, token: string) => Readonly<Record<string, string>>;
}

const PULL_CREDENTIALS: Credentials = {
  name: "foundation-registry",
  namespace: NAMESPACE,
  type: "kubernetes.io/dockerconfigjson",
  data: ({ consumer: { robot: username }, sites }, password) => ({
    ".dockerconfigjson": JSON.stringify({ auths: { [sites.git]: { username, password } } }),
  }),
};
const FLUX_CREDENTIALS: Credentials = {
  name: "foundation-git",
  namespace: "flux-system",
  data: ({ consumer: { robot: username }, ca }, password) => ({
    username,
    password,
    ...(ca === undefined ? {} : { [CA.key]: ca }),
  }),
};
const ARGOCD_CREDENTIALS: Credentials = {
  name: "foundation-git",
  namespace: "argocd",
  labels: { "argocd.argoproj.io/secret-type": "repo-creds" },
  data: ({ consumer: { organisation, robot: username }, sites }, password) => ({
    type: "git",
    url: `https://${sites.git}/${organisation}`,
    username,
    password,
  }),
};

/** The secret itself, or where External Secrets gets it from. */
function credentials(args: KitArgs, { name, namespace, type, labels, data }: Credentials): Manifest[] {
  const { consumer, revealed } = args;
  if (revealed) return [secret(name, namespace, data(args, revealed.token), type, labels)];
  const remoteRef = { key: `consumers/${consumer.name}/forge`, property: "token" };
  const template = {
    ...(type === undefined ? {} : { type }),
    ...(labels === undefined ? {} : { metadata: { labels } }),
    data: data(args, "{{ .token }}"),
  };
  return [
    {
      apiVersion: STORE.apiVersion,
      kind: "ExternalSecret",
      metadata: { name, namespace },
      spec: {
        refreshInterval: "15m0s",
        secretStoreRef: { kind: "ClusterSecretStore", name: STORE.name },
        target: { name, template },
        data: [{ secretKey: "token", remoteRef }],
      },
    },
  ];
}

/** What containerd has to find on each node as /etc/containerd/certs.d/HOST/hosts.toml, beside ca.crt. */
function registryMirror({ sites: { git }, ca }: KitArgs): Manifest {
  const lines = [
    `server = "https://${git}"`,
    "",
    `[host."https://${git}"]`,
    '  capabilities = ["pull", "resolve"]',
    ...(ca === undefined ? [] : [`  ca = "/etc/containerd/certs.d/${git}/${CA.key}"`]),
  ];
  return configMap("foundation-containerd", NAMESPACE, { "hosts.toml": `${lines.join("\n")}\n` });
}

function gitRepositories({ consumer: { organisation, repositories }, sites }: KitArgs): Manifest[] {
  return repositories.map((name) => ({
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    // Names of objects know no underscore.
    metadata: { name: name.replaceAll("_", "-"), namespace: FLUX_CREDENTIALS.namespace },
    spec: {
      interval: "1m0s",
      url: `https://${sites.git}/${organisation}/${name}.git`,
      ref: { branch: "main" },
      secretRef: { name: FLUX_CREDENTIALS.name },
    },
  }));
}

/** By host name, as Argo CD looks for it. */
function argocdCertificates({ ca, sites }: KitArgs): Manifest[] {
  if (ca === undefined) return [];
  const labels = { "app.kubernetes.io/part-of": "argocd" };
  return [configMap("argocd-tls-certs-cm", ARGOCD_CREDENTIALS.namespace, { [sites.git]: ca }, labels)];
}

function configMap(
  name: string,
  namespace: string,
  data: Readonly<Record<string, string>>,
  labels?: Readonly<Record<string, string>>,
): Manifest {
  const metadata = { name, namespace, ...(labels === undefined ? {} : { labels }) };
  return { apiVersion: "v1", kind: "ConfigMap", metadata, data };
}

function secret(
  name: string,
  namespace: string,
  stringData: Readonly<Record<string, string>>,
  type = "Opaque",
  labels?: Readonly<Record<string, string>>,
): Manifest {
  const metadata = { name, namespace, ...(labels === undefined ? {} : { labels }) };
  return { apiVersion: "v1", kind: "Secret", metadata, type, stringData };
}
