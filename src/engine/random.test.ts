import { describe, expect, it } from 'vitest';
import { hash32, normals, permutation, uniform, uniforms } from './random';

describe('random', () => {
  it('is a pure function of its words', () => {
    expect(hash32(1, 'shuffle', 3)).toBe(hash32(1, 'shuffle', 3));
    expect(hash32(1, 'shuffle', 3)).not.toBe(hash32(1, 'shuffle', 4));
    expect(hash32(1, 2)).not.toBe(hash32(2, 1));
  });

  it('agrees with published MurmurHash3 values for whole words', () => {
    // seed 0: the empty input, and the four bytes 21 43 65 87 (little-endian 0x87654321).
    expect(hash32()).toBe(0);
    expect(hash32(0x87654321)).toBe(0xf55b516b);
  });

  it('draws uniformly: χ² over 64 bins, for counters and for seeds', () => {
    for (const draw of [(i: number) => uniform(7, i), (i: number) => uniform(i, 0)]) {
      const bins = new Array<number>(64).fill(0);
      const n = 64_000;
      for (let i = 0; i < n; i++) bins[Math.floor(draw(i) * 64)]! += 1;
      const chi2 = bins.reduce((sum, count) => sum + (count - n / 64) ** 2 / (n / 64), 0);
      expect(chi2).toBeLessThan(112); // 63 degrees of freedom, p = 1e-4
    }
  });

  it('draws normals of mean 0 and deviation 1, and uniforms inside their range', () => {
    const values = normals(20_000, 3, 'normals');
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
    expect(uniforms(1000, -2, 3, 1).every((x) => x >= -2 && x < 3)).toBe(true);
  });

  it('permutes: every index once, and every position equally likely', () => {
    expect(Array.from(permutation(100, 5)).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
    const first = new Array<number>(5).fill(0);
    for (let i = 0; i < 5000; i++) first[permutation(5, i)[0]!]! += 1;
    for (const count of first) expect(Math.abs(count - 1000)).toBeLessThan(130);
  });
});
