import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { combineShares, extendShares, verifyShares } from "../../unseal-helper/shamir.ts";
import { splitSecret } from "./shamir-split.ts";

const secret = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const sizes = fc.integer({ min: 2, max: 7 }).chain((n) => fc.tuple(fc.constant(n), fc.integer({ min: 2, max: n })));

describe("Shamir", () => {
  it("agrees with Vault's own field arithmetic: 3 · 7 = 9", () => {
    // Shares (1, 3 ^ 7·1) and (2, 3 ^ 7·2) of the line 3 + 7x.
    expect(combineShares([Buffer.from([3 ^ 7, 1]), Buffer.from([3 ^ 14, 2])])).toEqual(Buffer.from([3]));
  });

  it("combines any threshold of shares, in any order, to the secret", () => {
    fc.assert(
      fc.property(secret, sizes, fc.infiniteStream(fc.nat()), (value, [n, t], order) => {
        const shares = splitSecret(value, n, t);
        const picked = shares
          .map((share) => ({ share, key: order.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .slice(0, t)
          .map(({ share }) => share);
        expect(combineShares(picked)).toEqual(value);
        verifyShares(shares, t);
      }),
      { numRuns: 60 },
    );
  });

  it("gives noise for one share too few", () => {
    const value = Buffer.alloc(32, 5);
    for (let i = 0; i < 20; i++) expect(combineShares(splitSecret(value, 6, 3).slice(0, 2))).not.toEqual(value);
  });

  it("finds a single flipped bit anywhere in a set of six", () => {
    const shares = splitSecret(Buffer.alloc(32, 9), 6, 3);
    fc.assert(
      fc.property(fc.nat(5), fc.nat(32), fc.nat(7), (share, byte, bit) => {
        const damaged = shares.map((intact) => Buffer.from(intact));
        const one = damaged[share] as Buffer;
        one[byte] = (one[byte] ?? 0) ^ (1 << bit);
        // A changed x may also collide with another one, or be 0.
        expect(() => verifyShares(damaged, 3)).toThrow(/do not belong together|shares repeat/);
      }),
    );
  });

  it("extends a set by a share at any unused x, which combines with the others", () => {
    const value = Buffer.alloc(32, 7);
    const [a, b, c, d] = splitSecret(value, 4, 3) as [Buffer, Buffer, Buffer, Buffer];
    for (let x = 1; x < 256; x++) {
      // At the x of an existing share the result is that share.
      if ([a, b, c].some((share) => share.at(-1) === x)) continue;
      const extra = extendShares([a, b, c], x);
      expect(extra.at(-1)).toBe(x);
      if (x === d.at(-1)) expect(extra).toEqual(d);
      else expect(combineShares([extra, d, a])).toEqual(value);
    }
    expect(() => extendShares([a, b, c], 0)).toThrow("no share has x = 0");
  });

  it("refuses what is not a set of shares", () => {
    const [a, b] = splitSecret(Buffer.alloc(32), 2, 2) as [Buffer, Buffer];
    expect(() => combineShares([a, a])).toThrow("shares repeat");
    expect(() => combineShares([a, b.subarray(1)])).toThrow("shares differ in length");
    expect(() => combineShares([Buffer.from([1, 0]), Buffer.from([1, 1])])).toThrow("shares repeat");
    expect(() => verifyShares([a], 2)).toThrow("1 shares are fewer than the threshold 2");
  });
});
