import { readFileSync } from "node:fs";

/** Shell scripts that run on the VM, by file name without `.sh`. */
export function readScripts<Name extends string>(names: readonly Name[]): Record<Name, string> {
  const read = (name: string): string =>
    readFileSync(new URL(`./components/scripts/${name}.sh`, import.meta.url), "utf8");
  return Object.fromEntries(names.map((name) => [name, read(name)])) as Record<Name, string>;
}
