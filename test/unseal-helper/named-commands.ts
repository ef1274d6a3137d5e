import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { COMMANDS } from "../../unseal-helper/commands/registry.ts";

const NAMED = /\bnpx foundation ([a-zA-Z-]+(?: [a-zA-Z-]+)*)/g;
const COMMON = ["--help", "--stack", "--host", "--host-key", "--json"];

/** What `npx foundation --help` lists. */
export function foundationCommands(): string[] {
  const main = join(import.meta.dirname, "../../cli/main.ts");
  const help = execFileSync(process.execPath, [main, "--help"], { encoding: "utf8" });
  return [...help.matchAll(/^ {2}([a-z]+) /gm)].map(([, name = ""]) => name);
}

/** Commands that a text tells people to run and that are not there, or not with these options. */
export function missingCommands(text: string, known: readonly string[]): string[] {
  const named = [...text.matchAll(NAMED)].map(([, words = ""]) => words);
  return named.filter((words) => !isThere(words.split(" "), known));
}

function isThere([first = "", ...words]: string[], known: readonly string[]): boolean {
  if (first !== "vault") return known.includes(first);
  // the program itself, as in `npx foundation vault --help`
  if (words.length === 0 || words[0] === "COMMAND" || words[0] === "--help") return true;
  const command = COMMANDS.find(({ name }) => name.split(" ").every((word, at) => words[at] === word));
  if (command === undefined) return false;
  const options = words.filter((word) => word.startsWith("--"));
  return options.every((option) => COMMON.includes(option) || Object.hasOwn(command.options, option.slice(2)));
}
