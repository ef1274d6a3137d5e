import { randomBytes } from "node:crypto";

// An independent implementation for tests: logarithm tables over generator 3, and Horner's rule.
const EXP = new Uint8Array(255);
const LOG = new Uint8Array(256);
for (let power = 0, value = 1; power < 255; power++) {
  EXP[power] = value;
  LOG[value] = power;
  value ^= (value << 1) ^ (value & 0x80 ? 0x11b : 0);
}

function times(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : (EXP[((LOG[a] ?? 0) + (LOG[b] ?? 0)) % 255] ?? 0);
}

/** Splits a secret as Vault does: values of random polynomials, and x in the last byte. */
export function splitSecret(secret: Buffer, n: number, t: number): Buffer[] {
  const coefficients = Array.from({ length: t - 1 }, () => randomBytes(secret.length));
  const xs = new Set<number>();
  while (xs.size < n) xs.add(1 + ((randomBytes(1)[0] ?? 0) % 255));
  return [...xs].map((x) => {
    const values = [...secret].map((constant, at) => {
      const rest = coefficients.reduceRight((sum, row) => times(sum ^ (row[at] ?? 0), x), 0);
      return rest ^ constant;
    });
    return Buffer.from([...values, x]);
  });
}
