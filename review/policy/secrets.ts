import type { Recorded } from "../record.ts";
import { CONTAINER, each, label, PASSWORD, REMOTE, unlike, VAULT_PROVIDER, type Rule, type Run } from "./rule.ts";

/** Where secrets go: nowhere else may a secret be, and here nothing may be in clear. */
const PLACES: Readonly<Record<string, readonly string[]>> = {
  [REMOTE]: ["stdin", "connection"],
  [VAULT_PROVIDER]: ["authLogin"],
  "tls:index/selfSignedCert:SelfSignedCert": ["privateKeyPem"],
  "tls:index/certRequest:CertRequest": ["privateKeyPem"],
  "tls:index/locallySignedCert:LocallySignedCert": ["caPrivateKeyPem"],
  "vault:kv/secretV2:SecretV2": ["dataJson"],
  // No secret of ours, but the SDK takes everything written by path for one.
  "vault:generic/endpoint:Endpoint": ["dataJson"],
};

export const secretRules: Rule[] = [
  { name: "secrets: none in clear in an input", check: inClear },
  { name: "secrets: none in an output of the stack", check: inOutputs },
  {
    name: "secrets: only where secrets go",
    check: ({ resources }) =>
      resources.flatMap((resource) =>
        resource.secrets
          .filter((path) => !PLACES[resource.type]?.includes(path))
          .map((path) => `${label(resource)}: ${path} holds a secret`),
      ),
  },
  {
    name: "secrets: what goes there is secret as a whole",
    check: ({ resources }) =>
      resources.flatMap((resource) =>
        (PLACES[resource.type] ?? [])
          // The installers are the same for everybody and are shown when they change.
          .filter(
            (path) => path in resource.inputs && !(path === "stdin" && /^(host|offsite)-setup$/.test(resource.name)),
          )
          .filter((path) => !resource.secrets.includes(path))
          .map((path) => `${label(resource)}: ${path} is not secret`),
      ),
  },
  each("secrets: environment variables name files", [CONTAINER], ({ inputs }) =>
    ((inputs.envs ?? []) as string[])
      .map((variable) => variable.split("=")[0] ?? "")
      .filter((name) => /PASSWORD|SECRET|TOKEN|_KEY|CREDENTIAL/.test(name) && !name.endsWith("_FILE"))
      .map((name) => `environment variable ${name}`),
  ),
  each("secrets: generated ones are long and plain, and secret in state", [PASSWORD], (password) => [
    ...(Number(password.inputs.length) >= 20 ? [] : [`length ${String(password.inputs.length)}`]),
    ...unlike(password.inputs, { special: false }),
    ...(password.additionalSecretOutputs.includes("result") ? [] : ["result is kept in clear"]),
  ]),
];

function inClear(run: Run): string[] {
  const needles = run.knownSecrets.flatMap(encodings);
  return run.resources.flatMap((resource) =>
    [...leaves({ name: resource.name, ...resource.inputs }), ...leaves(resource.outputs, "outputs")]
      .filter(([path]) => !isInside(path, resource))
      .filter(([, text]) => needles.some((needle) => text.includes(needle)))
      .map(([path]) => `${label(resource)}: ${path} shows a secret`),
  );
}

function inOutputs(run: Run): string[] {
  const needles = run.knownSecrets.flatMap(encodings);
  return [
    ...run.secretOutputs.map((path) => `output ${path}: is secret`),
    ...leaves(run.outputs)
      .filter(([, text]) => needles.some((needle) => text.includes(needle)))
      .map(([path]) => `output ${path}: shows a secret`),
  ];
}

const isInside = (path: string, { secrets }: Recorded): boolean =>
  secrets.some((secret) => path === secret || path.startsWith(`${secret}.`) || path.startsWith(`${secret}[`));

/** Every text in a value with its path; keys are texts too. */
function leaves(value: unknown, path = ""): [string, string][] {
  if (Array.isArray(value)) return value.flatMap((item, index) => leaves(item, `${path}[${String(index)}]`));
  if (typeof value !== "object" || value === null) return [[path, String(value)]];
  return Object.entries(value).flatMap(([key, item]) => {
    const inner = path ? `${path}.${key}` : key;
    return [[inner, key] as [string, string], ...leaves(item, inner)];
  });
}

/** A secret as it is, in JSON, in hexadecimal, and inside of base64 at any of the three offsets. */
export function encodings(secret: string): string[] {
  const inBase64 = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)]).toString("base64");
    // The first and the last characters also hold bits of what stands beside it.
    return text.replace(/=+$/, "").slice(offset === 0 ? 0 : offset + 1, -1);
  });
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    Buffer.from(secret).toString("hex"),
    ...inBase64,
    ...inBase64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_")),
  ];
}
