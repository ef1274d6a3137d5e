/** Share of the container's memory; the rest is Node's, and that of the files which the kernel keeps for it. */
const SHARE = 0.6;

/**
 * Go's garbage collector, for restic: half as often as by default, which spares a tenth of the time of a first backup
 * (bench/backup.ts), and as often as it takes where memory becomes scarce.
 *
 * @param limitBytes of the container, as `process.constrainedMemory()` tells it: 0, or far more than there is, for none;
 *   then Go's own default holds
 */
export function goMemory(limitBytes: number): Record<string, string> {
  if (limitBytes <= 0 || limitBytes > Number.MAX_SAFE_INTEGER) return {};
  return { GOGC: "200", GOMEMLIMIT: String(Math.floor(limitBytes * SHARE)) };
}
