import type { EngineChoice } from "./engine-choice.ts";
import { DOMAIN, type SandboxFiles } from "./files.ts";
import type { ProvidedImage } from "./images.ts";
import type { Timing } from "./progress.ts";
import { formatTable } from "./table.ts";

/** What `up` says at its end. */
export interface Summary {
  readonly engine: EngineChoice;
  readonly images: readonly ProvidedImage[];
  /** where the backups are */
  readonly offsite: string | undefined;
  readonly phases: readonly Timing[];
  /** since the program started */
  readonly seconds: number;
  readonly files: SandboxFiles;
}

/** Everything that an operator wants to know first: where it is, what it really is, where the credentials are, how long it took. */
export function formatSummary({ engine, images, offsite, phases, seconds, files }: Summary): string {
  return [
    formatTable(["service", "address"], [...addresses(), backups(offsite)]),
    formatTable(["image", "production", "here"], images.map(describeImage)),
    engine.kind === "pulumi"
      ? `Deployed by Pulumi ${engine.version}.`
      : "Deployed by the engine embedded in the sandbox, because the Pulumi CLI and its plugins are not installed.",
    `Master passphrase: ${files.passphrase}    CA of the sites: ${files.certificate}`,
    "Credentials: npm run sandbox creds    Shell in the VM: npm run sandbox ssh    Away with it: npm run sandbox destroy",
    formatTable(["phase", "time"], [...phases.map(describePhase), ["total", `${seconds.toFixed(0)} s`]]),
  ].join("\n");
}

function addresses(): string[][] {
  return [
    ["landing page", `https://${DOMAIN}`],
    ["git, OCI and npm registry", `https://git.${DOMAIN}`],
    ["git over SSH", `ssh://git@git.${DOMAIN}:2222`],
    ["Vault", `https://vault.${DOMAIN}`],
    ["S3", `https://s3.${DOMAIN}`],
  ];
}

const backups = (offsite: string | undefined): string[] => ["backups", offsite ?? "none: foundation:offsite is none"];

const describePhase = ({ what, seconds }: Timing): string[] => [what, `${seconds.toFixed(0)} s`];

function describeImage({ image, production, actual }: ProvidedImage): string[] {
  const here = production === actual ? "the same" : `${actual}, made from packages`;
  return [image, production, here];
}
