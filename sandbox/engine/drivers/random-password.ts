import { randomInt } from "node:crypto";
import { UserError } from "../../../errors.ts";
import type { Driver, DriverContext } from "../driver.ts";
import type { Properties } from "../values.ts";

const INPUTS = [
  "keepers",
  "length",
  "lower",
  "minLower",
  "minNumeric",
  "minSpecial",
  "minUpper",
  "number",
  "numeric",
  "overrideSpecial",
  "special",
  "upper",
];

interface CharacterClass {
  readonly characters: string;
  readonly minimum: number;
}

/** random:index/randomPassword:RandomPassword. The value is generated once and kept in the state; every input makes a new one. */
export const randomPassword: Driver = {
  inputs: INPUTS,
  replaceOn: INPUTS,
  secretOutputs: ["result"],

  check(inputs, { label }) {
    const { length } = inputs;
    if (typeof length === "number") requireFit(length, characterClasses(inputs), label);
  },

  create(inputs, { label }: DriverContext) {
    const result = generatePassword(Number(inputs["length"]), characterClasses(inputs), label);
    const defaults = { lower: true, upper: true, numeric: true, number: true, special: true };
    const minimums = { minLower: 0, minUpper: 0, minNumeric: 0, minSpecial: 0 };
    return Promise.resolve({ id: "none", outputs: { ...defaults, ...minimums, ...inputs, result } });
  },
};

function characterClasses(inputs: Properties): CharacterClass[] {
  const number = inputs["numeric"] ?? inputs["number"];
  const special = inputs["overrideSpecial"];
  const classes = [
    { wanted: inputs["upper"], characters: "ABCDEFGHIJKLMNOPQRSTUVWXYZ", minimum: inputs["minUpper"] },
    { wanted: inputs["lower"], characters: "abcdefghijklmnopqrstuvwxyz", minimum: inputs["minLower"] },
    { wanted: number, characters: "0123456789", minimum: inputs["minNumeric"] },
    {
      wanted: inputs["special"],
      characters: typeof special === "string" && special !== "" ? special : "!@#$%&*()-_=+[]{}<>:?",
      minimum: inputs["minSpecial"],
    },
  ];
  return classes
    .filter(({ wanted }) => wanted !== false)
    .map(({ characters, minimum }) => ({ characters, minimum: Number(minimum ?? 0) }));
}

function requireFit(length: number, classes: readonly CharacterClass[], label: string): void {
  const needed = classes.reduce((sum, { minimum }) => sum + minimum, 0);
  if (length >= 1 && length >= needed && classes.length > 0) return;
  throw new UserError(
    `${label}: no password of length ${length} with ${classes.length} classes of characters and ${needed} required ones`,
    "raise `length`, lower the minimums, or allow a class of characters",
  );
}

/** Every class gets its minimum, the rest is drawn from all; then the order is drawn too. */
function generatePassword(length: number, classes: readonly CharacterClass[], label: string): string {
  requireFit(length, classes, label);
  const draw = (characters: string): string => characters[randomInt(characters.length)] ?? "";
  const all = classes.map(({ characters }) => characters).join("");
  const drawn = classes.flatMap(({ characters, minimum }) => Array.from({ length: minimum }, () => draw(characters)));
  while (drawn.length < length) drawn.push(draw(all));
  for (let at = drawn.length - 1; at > 0; at -= 1) {
    const other = randomInt(at + 1);
    [drawn[at], drawn[other]] = [drawn[other] ?? "", drawn[at] ?? ""];
  }
  return drawn.join("");
}
