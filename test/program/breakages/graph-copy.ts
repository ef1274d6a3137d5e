import type { Recorded } from "../../../review/record.ts";
import { label, type Run } from "../../../review/policy/rule.ts";

type Mutable<T> = T extends readonly (infer Item)[]
  ? Mutable<Item>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Mutable<T[Key]> }
    : T;

/** A resource that a test may damage. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- inputs have as many shapes as there are types
export type Damaged = Omit<Mutable<Recorded>, "inputs"> & { inputs: Record<string, any> };

/** How to break one rule, and everything that the rule must say then. */
export type Breakage = readonly [damage: (graph: Graph) => unknown, ...says: string[]];
/** Breakages by the name of the rule that they break. */
export type Breakages = Readonly<Record<string, readonly Breakage[]>>;

/** A copy of a recording in which single things can be made wrong. */
export class Graph {
  readonly run: Mutable<Run>;

  constructor(run: Run) {
    this.run = structuredClone(run) as Mutable<Run>;
  }

  /** @param name as messages have it: `Container postgres` */
  get(name: string): Damaged {
    const found = this.run.resources.find((resource) => label(resource) === name);
    if (found === undefined) throw new Error(`no ${name} in the graph`);
    return found;
  }

  /** Adds a second resource like the named one. */
  add(like: string, changes: Partial<Damaged>): Damaged {
    const original = this.get(like);
    const copy = { ...structuredClone(original), ...changes };
    copy.urn = original.urn.replace(`${original.type}::${original.name}`, `${copy.type}::${copy.name}`);
    this.run.resources.push(copy);
    return copy;
  }

  remove(name: string): void {
    this.run.resources.splice(this.run.resources.indexOf(this.get(name)), 1);
  }
}
