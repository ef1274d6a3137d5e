import { VOLUMES } from "../../../components/topology.ts";
import { CONTAINER, each, ofType, unlike, VOLUME, type Rule, type Run } from "./rule.ts";

export const storageRules: Rule[] = [
  each("volumes: never deleted or replaced", [VOLUME], ({ protect, retainOnDelete, ignoreChanges }) =>
    unlike(
      { protect, retainOnDelete, ignoreChanges },
      { protect: true, retainOnDelete: true, ignoreChanges: ["driver", "driverOpts", "labels"] },
    ),
  ),
  each("volumes: of the local driver, without options", [VOLUME], ({ inputs }) =>
    Object.keys(inputs)
      .filter((key) => !["name", "labels"].includes(key))
      .map((key) => `${key} is set`),
  ),
  { name: "volumes: the declared ones, each mounted once", check: declared },
];

function declared(run: Run): string[] {
  const mounts = ofType(run, CONTAINER).flatMap(({ name, inputs }) =>
    (inputs.mounts as { type: string; source: string }[])
      .filter(({ type }) => type === "volume")
      .map(({ source }) => ({ container: name, source })),
  );
  const registered = ofType(run, VOLUME).map(({ name }) => name);
  // The runner is optional, and its volume with it.
  const optional = ofType(run, CONTAINER).some(({ name }) => name === "runner") ? [] : ["runner-data"];
  return [
    ...VOLUMES.filter((name) => !registered.includes(name) && !optional.includes(name)).map(
      (name) => `Volume ${name}: declared and not registered`,
    ),
    ...registered
      .filter((name) => !(VOLUMES as readonly string[]).includes(name))
      .map((name) => `Volume ${name}: not declared in VOLUMES`),
    ...registered.flatMap((name) => {
      const users = mounts.filter(({ source }) => source === name).map(({ container }) => container);
      return users.length === 1 ? [] : [`Volume ${name}: mounted by ${users.join(", ") || "nobody"}`];
    }),
    ...mounts
      .filter(({ source }) => !registered.includes(source))
      .map(
        ({ container, source }) => `Container ${container}: mounts ${source}, which is not a volume of this program`,
      ),
  ];
}
