// Shamir's secret sharing as Vault does it: each byte of the secret is the value at 0 of a polynomial over GF(2^8)
// with the AES modulus 0x11B. A share is the values at one x, followed by x itself in the last byte.

const MODULUS = 0x11b;

/**
 * Combines shares to the secret. Any threshold-sized subset gives the same secret; fewer give noise.
 *
 * @param shares of equal length, with distinct x ≠ 0
 */
export function combineShares(shares: readonly Buffer[]): Buffer {
  return valuesAt(0, shares);
}

/**
 * A further share of the same secret: the polynomial at another x.
 *
 * @param shares exactly as many as the threshold
 * @param x 1 … 255, of none of the shares that exist
 */
export function extendShares(shares: readonly Buffer[], x: number): Buffer {
  if (x < 1 || x > 255) throw new Error(`no share has x = ${x}`);
  return Buffer.concat([valuesAt(x, shares), Buffer.from([x])]);
}

/** The polynomials through the shares, at x. */
function valuesAt(x: number, shares: readonly Buffer[]): Buffer {
  const length = shares[0]?.length ?? 0;
  if (length < 2 || shares.some((share) => share.length !== length)) throw new Error("shares differ in length");
  const xs = shares.map((share) => share.readUInt8(length - 1));
  if (xs.includes(0) || new Set(xs).size !== xs.length) throw new Error("shares repeat");
  // Lagrange's basis polynomials; subtraction is addition is xor.
  const weights = xs.map((own, i) =>
    xs.reduce((product, other, j) => (i === j ? product : multiply(product, divide(x ^ other, own ^ other))), 1),
  );
  const values = Buffer.alloc(length - 1);
  for (let at = 0; at < values.length; at++) {
    values[at] = shares.reduce((sum, share, i) => sum ^ multiply(weights[i] ?? 0, share.readUInt8(at)), 0);
  }
  return values;
}

/**
 * Proves a complete set of shares without Vault: every threshold-sized subset must combine to the same secret.
 *
 * @throws Error where one of them is damaged
 */
export function verifyShares(shares: readonly Buffer[], threshold: number): void {
  const [first, ...others] = subsets(shares, threshold).map(combineShares);
  if (first === undefined) throw new Error(`${shares.length} shares are fewer than the threshold ${threshold}`);
  if (others.some((secret) => !secret.equals(first))) throw new Error("the shares do not belong together");
}

function subsets<T>(items: readonly T[], size: number): T[][] {
  if (size === 0) return [[]];
  return items.flatMap((item, index) => subsets(items.slice(index + 1), size - 1).map((rest) => [item, ...rest]));
}

function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product <<= 1;
    if (product & 0x100) product ^= MODULUS;
    if ((b >> bit) & 1) product ^= a;
  }
  return product;
}

/** b^254 is 1/b, because the multiplicative group has 255 elements; 254 is 2 + 4 + … + 128. */
function divide(a: number, b: number): number {
  let power = b;
  let quotient = a;
  for (let bit = 1; bit < 8; bit++) {
    power = multiply(power, power);
    quotient = multiply(quotient, power);
  }
  return quotient;
}
