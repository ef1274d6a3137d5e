/** The middle value; of an even number of values, the upper of the two in the middle. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

/** The smallest value that at least this share (0…1) of all values do not exceed. */
export function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(values.length * share) - 1)] ?? NaN;
}

/** Wall-clock seconds of an action. */
export async function seconds(action: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await action();
  return (performance.now() - began) / 1000;
}

/** Numbers from a command line, `--name value`. @throws Error for what is none */
export function numberOf(name: string, value: string): number {
  const number = Number(value);
  if (!(number > 0)) throw new Error(`--${name}: not a number above 0: ${value}`);
  return number;
}
