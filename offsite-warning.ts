import type { Config } from "./config.ts";

/** What has to be known of a stack's backups wherever they are shown; undefined where nothing has. */
export function offsiteWarning({ offsite }: Pick<Config, "offsite">): string | undefined {
  if (offsite === "none") return "offsite is none: there is no backup outside this VM";
  if ("address" in offsite) return undefined;
  return `offsite is ${offsite.repository}: it is not append-only, whoever has the VM can delete the backups`;
}
