import { STACK_TYPE } from "../../sandbox/engine/registration.ts";
import type { Recorded } from "../record.ts";
import {
  CONTAINER,
  DOCKER_PROVIDER,
  each,
  IMAGE,
  isOnOffsite,
  label,
  LOCAL,
  NETWORK,
  ofType,
  PASSWORD,
  reachable,
  REMOTE,
  show,
  unlike,
  VAULT_PROVIDER,
  VOLUME,
  type Rule,
  type Run,
} from "./rule.ts";

/** Every type that the program may use; another one needs a driver in the sandbox's engine and a look at its secrets. */
const TYPES = [
  CONTAINER,
  NETWORK,
  VOLUME,
  IMAGE,
  REMOTE,
  LOCAL,
  PASSWORD,
  DOCKER_PROVIDER,
  VAULT_PROVIDER,
  "tls:index/selfSignedCert:SelfSignedCert",
  "tls:index/certRequest:CertRequest",
  "tls:index/locallySignedCert:LocallySignedCert",
  "vault:index/policy:Policy",
  "vault:generic/endpoint:Endpoint",
  "vault:kv/secretV2:SecretV2",
];

const NAMED = [CONTAINER, NETWORK, VOLUME];

export const graphRules: Rule[] = [
  {
    name: "graph: every URN is registered once",
    check: ({ resources }) =>
      resources
        .filter(({ urn }, index) => resources.findIndex((other) => other.urn === urn) !== index)
        .map((resource) => `${label(resource)}: registered twice`),
  },
  {
    name: "graph: only known types",
    check: ({ resources }) =>
      resources
        .filter(({ custom, type }) => custom && !TYPES.includes(type))
        .map((resource) => `${label(resource)}: ${resource.type} is not a type of this program`),
  },
  {
    name: "graph: nothing is read while the program runs",
    check: ({ calls }) => calls.map((token) => `program: calls ${token}`),
  },
  {
    name: "components: foundation:index:<Class>, without inputs and outputs",
    check: ({ resources }) =>
      resources
        .filter(({ custom }) => !custom)
        .flatMap((component) =>
          [
            ...(/^foundation:index:[A-Z]\w+$/.test(component.type) ? [] : [`type ${component.type}`]),
            ...Object.keys(component.inputs).map((key) => `input ${key} would be stored in state`),
            ...Object.keys(component.outputs).map((key) => `output ${key} would be stored in state`),
          ].map((what) => `${label(component)}: ${what}`),
        ),
  },
  {
    name: "components: the stack holds only components and the Docker provider",
    check: ({ resources }) =>
      resources
        .filter(({ parent }) => parent === "" || parent.includes(`::${STACK_TYPE}::`))
        .filter(({ custom, type }) => custom && type !== DOCKER_PROVIDER)
        .map((resource) => `${label(resource)}: has no component as its parent`),
  },
  { name: "providers: exactly one for Docker and one for Vault", check: providers },
  {
    name: "providers: Docker and Vault only through the explicit one",
    check: (run) =>
      run.resources
        .filter(({ type }) => /^(docker|vault):/.test(type))
        .filter(({ type, provider }) => !provider.includes(`pulumi:providers:${type.split(":")[0] ?? ""}::`))
        .map((resource) => `${label(resource)}: would go to the default provider`),
  },
  each(
    "providers: Docker is reached over SSH with the pinned host key, the same from every machine",
    [DOCKER_PROVIDER],
    dockerProvider,
  ),
  each("names: the same in Pulumi and in Docker", NAMED, ({ name, inputs }) => unlike(inputs, { name })),
  each("names: everything in Docker carries the owner's label", NAMED, ownerLabel),
  each("order: nothing happens on the VM before it is set up", [...NAMED, IMAGE, REMOTE], (resource, run) =>
    resource.name === "host-setup" || isOnOffsite(resource, run) ? [] : waitsFor("host-setup", resource, run),
  ),
  each("order: nothing happens on the offsite before the VM was found fit", [REMOTE], (resource, run) =>
    isOnOffsite(resource, run) ? waitsFor("preflight", resource, run) : [],
  ),
];

function waitsFor(command: string, resource: Recorded, run: Run): string[] {
  const first = ofType(run, REMOTE, LOCAL).find(({ name }) => name === command);
  return first && reachable(run, resource).has(first.urn) ? [] : [`does not wait for ${command}`];
}

function providers({ resources }: Run): string[] {
  const found = resources.filter(({ type }) => type.startsWith("pulumi:providers:"));
  const count = (type: string): number => found.filter((provider) => provider.type === type).length;
  return [
    ...[DOCKER_PROVIDER, VAULT_PROVIDER]
      .filter((type) => count(type) !== 1)
      .map((type) => `${type}: ${String(count(type))} of them`),
    ...found
      .filter(({ type }) => type !== DOCKER_PROVIDER && type !== VAULT_PROVIDER)
      .map((provider) => `${label(provider)}: a provider that is not needed`),
  ];
}

/** Both are stored in state and used by whoever deploys next, so a path of one machine would break the other. */
function dockerProvider({ inputs }: { readonly inputs: Readonly<Record<string, unknown>> }): string[] {
  const options = JSON.parse(String(inputs.sshOpts)) as string[];
  const wanted = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "UserKnownHostsFile=/dev/null",
    "GlobalKnownHostsFile=/dev/null",
  ];
  const paths = options.filter((option) =>
    /[=~]?\/(?!dev\/null$|bin\/echo )[\w.]+\//.test(option.replace(/ ssh-.*| ecdsa-.*/, "")),
  );
  return [
    ...(/^ssh:\/\/[\w.-]+@[\w.-]+:\d+$/.test(String(inputs.host))
      ? []
      : [`host ${show(inputs.host)} is not ssh://user@host:port`]),
    ...wanted.filter((option) => !options.includes(option)).map((option) => `sshOpts without ${option}`),
    ...(options.some((option) => /^KnownHostsCommand=\/bin\/echo %H \S+ \S+$/.test(option))
      ? []
      : ["sshOpts pin no host key"]),
    ...paths.map((option) => `sshOpts with a path of this machine: ${option}`),
    ...Object.keys(inputs)
      .filter((key) => !["host", "sshOpts"].includes(key))
      .map((key) => `${key} is set`),
  ];
}

function ownerLabel({ inputs }: { readonly inputs: Readonly<Record<string, unknown>> }, run: Run): string[] {
  const ownerOf = (labels: unknown): string | undefined =>
    (labels as { label: string; value: string }[] | undefined)?.find(({ label }) => label === "foundation.owner")
      ?.value;
  const owner = ownerOf(inputs.labels);
  if (owner === undefined) return ["no label foundation.owner"];
  if (!/^[0-9a-f]{16}$/.test(owner)) return [`foundation.owner is ${owner}`];
  const [reference] = ofType(run, NETWORK);
  return ownerOf(reference?.inputs.labels) === owner
    ? []
    : [`foundation.owner ${owner} is not that of ${show(reference?.name)}`];
}
