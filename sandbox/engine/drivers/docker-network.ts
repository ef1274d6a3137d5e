import type { NetworkCreateOptions, NetworkInspectInfo } from "dockerode";
import { isDeepStrictEqual } from "node:util";
import { EXIT, UserError } from "../../../errors.ts";
import { text, type Driver } from "../driver.ts";
import { isRecord, type Properties, type Value } from "../values.ts";
import { dockerError, ifFound, type DockerHosts } from "./docker-hosts.ts";
import { isOwn, labelMap, requireOwn } from "./docker-ownership.ts";
import { requireName } from "./docker-volume.ts";

const INPUTS = ["name", "labels", "driver", "internal", "attachable", "options", "ipamConfigs"];

/** docker:index/network:Network. One of ours that is there and the same is used, another one of ours is made anew. */
export function dockerNetwork(hosts: DockerHosts): Driver {
  return {
    inputs: INPUTS,
    replaceOn: INPUTS,
    unordered: ["labels", "ipamConfigs"],
    needsProvider: true,
    collides: (before, after) => before["name"] === after["name"],
    check: (inputs, { label }) => {
      requireName(inputs["name"], label);
      readIpam(inputs["ipamConfigs"], label);
    },
    async create(inputs, context) {
      const { api } = await hosts.connect(context);
      const wanted = networkSpec(inputs, context.label);
      try {
        const existing = await ifFound<NetworkInspectInfo>(api.getNetwork(wanted.Name).inspect());
        if (existing) requireOwn("network", existing.Labels, inputs, context.label);
        if (existing && isSame(existing, wanted)) return describe(existing);
        if (existing) await api.getNetwork(existing.Id).remove();
        const { id } = await api.createNetwork({ ...wanted, CheckDuplicate: true });
        return describe(await api.getNetwork(id).inspect());
      } catch (error) {
        throw inUse(error, context.label) ?? dockerError(context.label, "cannot be created", error);
      }
    },
    async remove({ id, inputs }, context) {
      const { api } = await hosts.connect(context);
      const network = api.getNetwork(id || text(inputs["name"]));
      try {
        const existing = await ifFound<NetworkInspectInfo>(network.inspect());
        if (existing && (id !== "" || isOwn(existing.Labels, inputs))) await network.remove();
      } catch (error) {
        throw inUse(error, context.label) ?? dockerError(context.label, "cannot be removed", error);
      }
    },
  };
}

/** The provider's inputs as the Docker API has them. */
export function networkSpec(inputs: Properties, label: string): NetworkCreateOptions {
  const config = readIpam(inputs["ipamConfigs"], label);
  return {
    Name: text(inputs["name"]),
    Driver: text(inputs["driver"]) || "bridge",
    Internal: inputs["internal"] === true,
    Attachable: inputs["attachable"] === true,
    Options: (inputs["options"] ?? {}) as Record<string, string>,
    Labels: labelMap(inputs["labels"]),
    ...(config.length === 0 ? {} : { IPAM: { Driver: "default", Config: config } }),
  };
}

function readIpam(configs: Value | undefined, label: string): Record<string, string>[] {
  const known: Readonly<Record<string, string>> = { subnet: "Subnet", gateway: "Gateway", ipRange: "IPRange" };
  return (Array.isArray(configs) ? configs.filter(isRecord) : []).map((config) =>
    Object.fromEntries(
      Object.entries(config).map(([key, value]) => {
        const name = known[key];
        if (name !== undefined) return [name, text(value)];
        throw new UserError(
          `${label}: ipamConfigs: the sandbox's engine does not know ${key}`,
          "use subnet, gateway and ipRange",
        );
      }),
    ),
  );
}

/** Whether everything that is wanted is so. What the daemon added of its own does not count. */
function isSame(existing: NetworkInspectInfo, wanted: NetworkCreateOptions): boolean {
  const sorted = (list: unknown[] | undefined): unknown[] =>
    (list ?? []).toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return (
    existing.Driver === wanted.Driver &&
    existing.Internal === wanted.Internal &&
    existing.Attachable === wanted.Attachable &&
    isDeepStrictEqual(existing.Options ?? {}, wanted.Options) &&
    isDeepStrictEqual(existing.Labels ?? {}, wanted.Labels) &&
    (wanted.IPAM === undefined || isDeepStrictEqual(sorted(existing.IPAM?.Config), sorted(wanted.IPAM.Config)))
  );
}

function describe({ Id, Driver: driver, Scope: scope, Internal: internal }: NetworkInspectInfo) {
  return { id: Id, outputs: { driver, scope, internal } };
}

function inUse(error: unknown, label: string): UserError | undefined {
  const message = (error as { json?: { message?: string } }).json?.message ?? "";
  if (!message.includes("has active endpoints")) return undefined;
  return new UserError(
    `${label}: containers are attached to it: ${message}`,
    "let those that are ours depend on it by its name output; detach others: docker network disconnect",
    EXIT.refused,
  );
}
