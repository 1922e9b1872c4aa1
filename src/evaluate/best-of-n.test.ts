import { expect, it } from 'vitest';
import { normals, uniforms } from '../engine/random';
import { divergence, enumerate, normalised } from '../../tests/enumerable';
import { bestOfN, bestOfNBound } from './best-of-n';

const random = (outcomes: number) => ({
  p: normalised(Array.from(normals(outcomes, 1, 'p'), Math.exp)),
  scores: Array.from(normals(outcomes, 1, 'scores')),
});

it('is what counting all n-tuples gives, equals shared', () => {
  const p = [0.1, 0.2, 0.3, 0.4];
  const scores = [2, 1, 2, 0];
  const counted = [0, 0, 0, 0];
  for (const tuple of enumerate(4, 3)) {
    const best = Math.max(...tuple.map((y) => scores[y]!));
    const first = tuple.find((y) => scores[y] === best)!;
    counted[first]! += tuple.reduce((product, y) => product * p[y]!, 1);
  }
  bestOfN(p, scores, 3).forEach((value, i) => expect(value).toBeCloseTo(counted[i]!, 12));
});

it('is the distribution itself for n = 1, and sums to 1 for any n', () => {
  const { p, scores } = random(50);
  bestOfN(p, scores, 1).forEach((value, i) => expect(value).toBeCloseTo(p[i]!, 12));
  expect(bestOfN(p, scores, 16).reduce((a, b) => a + b)).toBeCloseTo(1, 12);
});

it('stays within the bound on KL, close to it only where outcomes are many', () => {
  const gap = (outcomes: number, n: number): number => {
    const p = normalised(Array.from(uniforms(outcomes, 0.9, 1.1, 2)));
    const kl = divergence(bestOfN(p, Array.from(normals(outcomes, 3)), n), p);
    expect(kl).toBeLessThanOrEqual(bestOfNBound(n) + 1e-12);
    return bestOfNBound(n) - kl;
  };
  expect(gap(4, 16)).toBeGreaterThan(0.5);
  expect(gap(2000, 16)).toBeLessThan(0.01);
});
