import { UserError } from "../../../errors.ts";
import { text, type Driver } from "../driver.ts";
import { dockerError, ifFound, type DockerHosts } from "./docker-hosts.ts";
import { isOwn, labelMap, requireOwn } from "./docker-ownership.ts";

const INPUTS = ["name", "labels", "driver", "driverOpts"];

/** docker:index/volume:Volume. A volume that is there is taken as it is: it holds somebody's data. */
export function dockerVolume(hosts: DockerHosts): Driver {
  return {
    inputs: INPUTS,
    replaceOn: INPUTS,
    unordered: ["labels"],
    needsProvider: true,
    collides: (before, after) => before["name"] === after["name"],
    check: (inputs, { label }) => {
      requireName(inputs["name"], label);
    },
    async create(inputs, context) {
      const { api } = await hosts.connect(context);
      const name = text(inputs["name"]);
      try {
        const existing = await ifFound(api.getVolume(name).inspect());
        if (existing) requireOwn("volume", existing.Labels, inputs, context.label);
        else {
          await api.createVolume({
            Name: name,
            Labels: labelMap(inputs["labels"]),
            Driver: text(inputs["driver"]) || "local",
            DriverOpts: (inputs["driverOpts"] ?? {}) as Record<string, string>,
          });
        }
        const { Driver: driver, Mountpoint: mountpoint } = await api.getVolume(name).inspect();
        return { id: name, outputs: { driver, mountpoint } };
      } catch (error) {
        throw dockerError(context.label, "cannot be created", error);
      }
    },
    async remove({ id, inputs }, context) {
      const { api } = await hosts.connect(context);
      const volume = api.getVolume(text(inputs["name"]));
      try {
        const existing = await ifFound(volume.inspect());
        if (existing && (id !== "" || isOwn(existing.Labels, inputs))) await volume.remove();
      } catch (error) {
        throw dockerError(context.label, "cannot be removed", error);
      }
    },
  };
}

/** Names made up by the engine would be lost with the state. @throws UserError when there is none */
export function requireName(name: unknown, label: string): void {
  if (typeof name === "string" && name !== "") return;
  throw new UserError(`${label}: has no name`, "give it the input `name`; it is how it is found again without a state");
}
