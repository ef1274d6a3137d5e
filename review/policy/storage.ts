import { VOLUMES } from "../../components/topology.ts";
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
  { name: "volumes: the declared ones, each written by one, read by no other but the backup", check: declared },
];

interface Mount {
  readonly type: string;
  readonly source: string;
  readonly readOnly: boolean;
}

function declared(run: Run): string[] {
  const mounts = ofType(run, CONTAINER).flatMap(({ name, inputs }) =>
    (inputs.mounts as Mount[]).filter(({ type }) => type === "volume").map((mount) => ({ container: name, ...mount })),
  );
  const registered = ofType(run, VOLUME).map(({ name }) => name);
  const running = ofType(run, CONTAINER).map(({ name }) => name);
  // The backup is optional, and its volume with it.
  const optional = ["backup"].filter((name) => !running.includes(name)).map((name) => `${name}-data`);
  return [
    ...VOLUMES.filter((name) => !registered.includes(name) && !optional.includes(name)).map(
      (name) => `Volume ${name}: declared and not registered`,
    ),
    ...registered
      .filter((name) => !(VOLUMES as readonly string[]).includes(name))
      .map((name) => `Volume ${name}: not declared in VOLUMES`),
    ...registered.flatMap((name) => {
      const users = mounts.filter(({ source, readOnly }) => source === name && !readOnly);
      const names = users.map(({ container }) => container);
      return names.length === 1 ? [] : [`Volume ${name}: mounted by ${names.join(", ") || "nobody"}`];
    }),
    ...mounts
      .filter(({ container, readOnly }) => readOnly && container !== "backup")
      .map(({ container, source }) => `Container ${container}: reads ${source}, which only the backup may`),
    ...mounts
      .filter(({ source }) => !registered.includes(source))
      .map(
        ({ container, source }) => `Container ${container}: mounts ${source}, which is not a volume of this program`,
      ),
  ];
}
