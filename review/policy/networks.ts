import { NETWORKS, type NetworkName } from "../../components/topology.ts";
import type { Recorded } from "../record.ts";
import { CONTAINER, each, label, NETWORK, ofType, reachable, show, unlike, type Rule, type Run } from "./rule.ts";

interface Attachment {
  readonly name: string;
  readonly aliases: readonly string[];
}

interface Port {
  readonly ip: string;
  readonly external: number;
  readonly internal: number;
  readonly protocol: string;
}

/** All that is published, anywhere. The port of git over SSH is a matter of configuration. */
const PUBLISHED: Readonly<Record<string, readonly RegExp[]>> = {
  caddy: [/^0\.0\.0\.0:80->80\/tcp$/, /^0\.0\.0\.0:443->443\/tcp$/, /^0\.0\.0\.0:443->443\/udp$/],
  forgejo: [/^0\.0\.0\.0:\d+->2222\/tcp$/],
  vault: [/^127\.0\.0\.1:8200->8200\/tcp$/],
};

const attachments = ({ inputs }: Recorded): Attachment[] => inputs.networksAdvanced as Attachment[];
const ports = ({ inputs }: Recorded): Port[] => (inputs.ports ?? []) as Port[];
const portText = ({ ip, external, internal, protocol }: Port): string =>
  `${ip}:${String(external)}->${String(internal)}/${protocol}`;

export const networkRules: Rule[] = [
  each("networks: never replaced unseen", [NETWORK], ({ protect, retainOnDelete }) =>
    unlike({ protect, retainOnDelete }, { protect: true, retainOnDelete: false }),
  ),
  each("networks: shape, subnet and bridge as declared", [NETWORK], shape),
  {
    name: "networks: the declared ones, in subnets of their own",
    check: (run) => {
      const registered = ofType(run, NETWORK);
      const subnets = registered.map(({ inputs }) => (inputs.ipamConfigs as { subnet: string }[])[0]?.subnet);
      return [
        ...Object.keys(NETWORKS)
          .filter((name) => !registered.some((network) => network.name === name))
          .map((name) => `Network ${name}: declared and not registered`),
        ...registered
          .filter((_, index) => subnets.indexOf(subnets[index]) !== index)
          .map((network) => `${label(network)}: shares its subnet with another`),
      ];
    },
  },
  { name: "networks: exactly the members that their name says", check: members },
  each("networks: exist before a container joins them", [CONTAINER], (container, run) => {
    const before = reachable(run, container);
    return attachments(container)
      .filter(({ name }) => !ofType(run, NETWORK).some((network) => network.name === name && before.has(network.urn)))
      .map(({ name }) => `does not wait for ${name}`);
  }),
  each("networks: no alias takes the name of another service", [CONTAINER], (container, run) => {
    const others = ofType(run, CONTAINER).map(({ name }) => name);
    const aliases = attachments(container).flatMap(({ aliases }) => aliases);
    return [...new Set(aliases)]
      .filter((alias) => others.includes(alias))
      .map((alias) => `alias ${alias} is a container`);
  }),
  each("networks: the runner reaches the web server alone", [CONTAINER], (container) => {
    const names = attachments(container).map(({ name }) => name);
    return container.name !== "runner" || show(names) === show(["runner-caddy"]) ? [] : [`joins ${names.join(", ")}`];
  }),
  each("ports: only the web server's, git over SSH, and Vault's on the loopback", [CONTAINER], (container) => {
    const wanted = PUBLISHED[container.name] ?? [];
    const published = ports(container).map(portText);
    return [
      ...published.filter((text) => !wanted.some((pattern) => pattern.test(text))).map((text) => `publishes ${text}`),
      ...(published.length < wanted.length
        ? [`publishes ${String(published.length)} of ${String(wanted.length)} ports`]
        : []),
    ];
  }),
  each("ports: sorted as the daemon reports them", [CONTAINER], (container) => {
    const internal = ports(container).map((port) => port.internal);
    return internal.every((port, index) => index === 0 || port >= (internal[index - 1] ?? 0))
      ? []
      : [`ports ${internal.join(", ")}`];
  }),
  { name: "ports: each taken once", check: taken },
  each("ports: published through a network that can publish", [CONTAINER], (container) => {
    const canPublish = ({ name }: Attachment): boolean =>
      name in NETWORKS && NETWORKS[name as NetworkName].kind !== "internal";
    if (ports(container).length === 0 || attachments(container).some(canPublish)) return [];
    return ["publishes ports and has only internal networks"];
  }),
];

function shape({ name, inputs }: Recorded): string[] {
  if (!(name in NETWORKS)) return ["not declared in NETWORKS"];
  const { octet, kind } = NETWORKS[name as NetworkName];
  const options = (inputs.options ?? {}) as Record<string, string>;
  const [range] = inputs.ipamConfigs as { subnet: string; gateway: string }[];
  const masquerade = kind === "isolated" ? "false" : undefined;
  return [
    ...unlike(inputs, { driver: "bridge", internal: kind === "internal" }),
    ...unlike(options, {
      "com.docker.network.bridge.name": `fnd-${String(octet)}`,
      "com.docker.network.bridge.enable_ip_masquerade": masquerade,
    }),
    ...(range?.subnet.endsWith(`.${String(octet)}.0/24`) ? [] : [`subnet ${show(range?.subnet)}`]),
    ...(range?.gateway === range?.subnet.replace("0/24", "1") ? [] : [`gateway ${show(range?.gateway)}`]),
  ];
}

/** `caddy-vault` has caddy and vault, `caddy-public` has caddy; a pair of which one is absent has nobody. */
function members(run: Run): string[] {
  const containers = ofType(run, CONTAINER);
  return ofType(run, NETWORK).flatMap((network) => {
    const pair = network.name.split("-").filter((part) => !["public", "loopback"].includes(part));
    const complete = pair.every((name) => containers.some((container) => container.name === name));
    const wanted = complete ? pair.toSorted() : [];
    const found = containers
      .filter((container) => attachments(container).some(({ name }) => name === network.name))
      .map(({ name }) => name)
      .sort();
    return show(found) === show(wanted)
      ? []
      : [`${label(network)}: members ${found.join(", ") || "nobody"}, not ${wanted.join(", ") || "nobody"}`];
  });
}

function taken(run: Run): string[] {
  const published = ofType(run, CONTAINER).flatMap((container) =>
    ports(container).map(({ external, protocol }) => ({ container, port: `${String(external)}/${protocol}` })),
  );
  return published
    .filter(({ port }, index) => published.findIndex((other) => other.port === port) !== index)
    .map(({ container, port }) => `${label(container)}: ${port} is taken`);
}
