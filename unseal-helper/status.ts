import { EXIT, type ExitCode } from "../errors.ts";
import type { ShareFileBody } from "./share-file.ts";
import type { SealStatus, VaultClient } from "./vault-client.ts";

/** What `status` tells; needs no passphrase. */
export interface StatusReport {
  readonly initialized: boolean;
  readonly sealed: boolean;
  readonly t: number;
  readonly n: number;
  readonly progress: number;
  readonly version: string;
  readonly clusterId: string | null;
  /** of the share file */
  readonly epoch: string | null;
  readonly phase: string | null;
  readonly bootstrapPending: boolean;
  /** new shares are in the file, and whether they or the old ones open Vault is not settled */
  readonly rekeyPending: boolean;
}

/** Asks Vault once, without waiting for it, and puts what the share file knows beside it. */
export async function readStatus(vault: VaultClient, file: ShareFileBody): Promise<StatusReport> {
  const { initialized, sealed, t, n, progress, version, clusterId }: SealStatus = await vault.sealStatus();
  const epoch = file.epochs.at(-1);
  return {
    initialized,
    sealed,
    t,
    n,
    progress,
    version,
    clusterId,
    epoch: epoch?.id ?? null,
    phase: epoch?.phase ?? null,
    bootstrapPending: epoch !== undefined && epoch.rootToken !== null,
    rekeyPending: epoch?.rekeyOf !== undefined && epoch.phase !== "COMMITTED",
  };
}

/** The exit code that tells the state to a script. */
export function statusCode({ initialized, sealed, phase, bootstrapPending }: StatusReport): ExitCode {
  if (phase === "INTENT" || phase === "STORED" || bootstrapPending) return EXIT.halfDone;
  if (!initialized) return EXIT.uninitialised;
  return sealed ? EXIT.attention : EXIT.ok;
}

/** One line for people. */
export function statusLine(report: StatusReport): string {
  const { initialized, sealed, t, n, progress, version, epoch, phase } = report;
  const state = !initialized
    ? "never initialised"
    : sealed
      ? `sealed, ${progress} of ${t} shares entered (n = ${n})`
      : "unsealed";
  const keys = epoch === null ? "no shares in the file" : `epoch ${epoch} ${phase}`;
  const pending = report.bootstrapPending ? ", bootstrap pending" : report.rekeyPending ? ", rekey pending" : "";
  return `vault ${version}: ${state}; ${keys}${pending}`;
}
