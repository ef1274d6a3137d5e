import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Stack } from "../stack.ts";

/** The runbook as it stands in the documentation, with words in capitals where a stack's own names go. */
export function readRunbook(projectDirectory: string): string {
  return readFileSync(join(projectDirectory, "docs", "recovery.md"), "utf8");
}

/** The runbook of one stack, to print. Nothing in it is secret. */
export function fillRunbook(text: string, { name, config }: Pick<Stack, "name" | "config">): string {
  const { offsite } = config;
  const values: Record<string, string> = { STACK: name, DOMAIN: config.domain };
  if (offsite !== "none" && "address" in offsite) {
    values["OFFSITE_USER"] = offsite.user;
    values["OFFSITE_ADDRESS"] = offsite.address;
    values["OFFSITE_PORT"] = String(offsite.port);
    values["OFFSITE_HOST_KEY"] = offsite.hostKey;
  }
  return text.replaceAll(/\b[A-Z]+(?:_[A-Z]+)*\b/g, (word) => values[word] ?? word);
}
