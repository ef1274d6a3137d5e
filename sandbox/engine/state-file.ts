import { UserError } from "../../errors.ts";
import type { Seal, SealHeader } from "./seal.ts";
import type { ResourceState } from "./state.ts";
import { isRecord, isSecret, secret, type Properties, type Value } from "./values.ts";

/** The state file: JSON in which every secret is replaced by its ciphertext. */
export interface StateFile {
  readonly version: 1;
  readonly stack: string;
  readonly seal: SealHeader;
  readonly resources: readonly ResourceState[];
  readonly outputs: Properties;
}

/** In the file a secret is an object with this one key; no property of any resource has this name. */
const CIPHERTEXT = "foundation:secret";

/** The properties of a record that can hold secrets. */
const SEALED = ["inputs", "outputs", "replacementTrigger"] as const;

/** Text of the file. */
export function writeStateFile(
  stack: string,
  seal: Seal,
  resources: readonly ResourceState[],
  outputs: Properties,
): string {
  const file: StateFile = {
    version: 1,
    stack,
    seal: seal.header,
    resources: resources.map((resource) => changeSealed(resource, (place, value) => sealSecrets(seal, place, value))),
    outputs: sealSecrets(seal, "outputs", outputs) as Properties,
  };
  return `${JSON.stringify(file, null, 1)}\n`;
}

/**
 * Reads the frame of the file; its secrets stay sealed.
 *
 * @throws UserError when it is not a state file of this version
 */
export function parseStateFile(path: string, text: string): StateFile {
  let file: Partial<StateFile> | null;
  try {
    file = JSON.parse(text) as Partial<StateFile> | null;
  } catch {
    throw damaged(path, "it is not JSON");
  }
  if (file?.version !== 1) throw damaged(path, `its version is ${String(file?.version)}, not 1`);
  if (!file.seal || !file.resources || !file.outputs) throw damaged(path, "it is incomplete");
  return file as StateFile;
}

/**
 * The file's content with its secrets in clear.
 *
 * @throws UserError when one of them was altered or moved
 */
export function openStateFile(path: string, file: StateFile, seal: Seal): Pick<StateFile, "resources" | "outputs"> {
  const open = (place: string, value: Value): Value =>
    openSecrets(seal, place, value, (at) => damaged(path, `the secret at ${at} was altered`));
  return {
    resources: file.resources.map((resource) => changeSealed(resource, open)),
    outputs: open("outputs", file.outputs) as Properties,
  };
}

/** What is wrong with a state file, and what can be done. */
export function damaged(path: string, what: string): UserError {
  return new UserError(
    `state ${path}: cannot be used: ${what}`,
    "restore the file from a copy; without one, run `npm run sandbox -- destroy` and start again",
  );
}

function changeSealed(resource: ResourceState, change: (place: string, value: Value) => Value): ResourceState {
  const changed = SEALED.map((key) => [key, change(`${resource.urn} ${key}`, resource[key])] as const);
  return { ...resource, ...(Object.fromEntries(changed) as Pick<ResourceState, "inputs" | "outputs">) };
}

function sealSecrets(seal: Seal, place: string, value: Value): Value {
  if (isSecret(value)) return { [CIPHERTEXT]: seal.encrypt(place, value.value) };
  return mapPlaces(place, value, (inner, innerPlace) => sealSecrets(seal, innerPlace, inner));
}

function openSecrets(seal: Seal, place: string, value: Value, altered: (place: string) => UserError): Value {
  const sealed = isRecord(value) ? value[CIPHERTEXT] : undefined;
  if (typeof sealed !== "string") {
    return mapPlaces(place, value, (inner, innerPlace) => openSecrets(seal, innerPlace, inner, altered));
  }
  const opened = seal.decrypt(place, sealed);
  if (opened === undefined) throw altered(place);
  return secret(opened);
}

function mapPlaces(place: string, value: Value, change: (value: Value, place: string) => Value): Value {
  if (Array.isArray(value)) return value.map((inner, at) => change(inner, `${place} ${at}`));
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, change(inner, `${place} ${key}`)]));
}
