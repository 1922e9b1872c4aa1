// Closed forms against what they claim to be: the best of a grid, the count of all tuples, the bound that nothing passes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divergence, enumerate, normalised } from '../../tests/enumerable';
import { normals, uniform, uniforms } from '../engine/random';
import {
  bestOfN,
  bestOfNBound,
  bestOfNKl,
  bestOfNShare,
  forwardOptimum,
  forwardShare,
  promptsCurve,
  shareBound,
  shareCost,
  tilted,
  tiltedReward,
  tiltedShare,
} from './optimum';

const random = (outcomes: number) => ({
  p: normalised(Array.from(normals(outcomes, 1, 'p'), Math.exp)),
  scores: Array.from(normals(outcomes, 1, 'scores')),
});
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const gain = (p: readonly number[], scores: readonly number[]): number =>
  sum(p.map((value, i) => value * scores[i]!));
/** Distributions near p, of the same length. */
const near = (p: readonly number[], size: number): number[][] =>
  Array.from({ length: 30 }, (_, k) =>
    normalised(p.map((value, i) => value * Math.exp(size * normals(p.length, k, 'near')[i]!))),
  );

describe('optima', () => {
  const { p, scores } = random(12);

  it('the tilted reference maximises E[r] − β·KL(π ‖ ref), which is then β·log Σ ref·e^{r/β}', () => {
    const best = tilted(p, scores, 0.4);
    const objective = (of: readonly number[]) => gain(of, scores) - 0.4 * divergence(of, p);
    expect(objective(best)).toBeCloseTo(
      0.4 *
        Math.log(
          gain(
            p,
            scores.map((score) => Math.exp(score / 0.4)),
          ),
        ),
      10,
    );
    for (const other of near(best, 0.1)) expect(objective(other)).toBeLessThan(objective(best));
    expect(tilted([0.5, 0.5], [1, 0], 1e-6)).toEqual([1, 0]);
  });

  it('GRPO’s maximises E[r] − β·KL(ref ‖ π)', () => {
    const best = forwardOptimum(p, scores, 0.4);
    expect(sum(best)).toBeCloseTo(1, 10);
    const objective = (of: readonly number[]) => gain(of, scores) - 0.4 * divergence(p, of);
    for (const other of near(best, 0.1)) expect(objective(other)).toBeLessThan(objective(best));
  });

  it('of good and bad completions they come to two shares', () => {
    const odds = (0.125 / 0.875) * Math.exp(2);
    expect(tiltedShare(0.125, 0.5)).toBeCloseTo(odds / (1 + odds), 12);
    expect([tiltedShare(0, 0.5), tiltedShare(1, 0.5)]).toEqual([0, 1]);
    const b = 1.5;
    const lambda = (b + Math.sqrt(b * b - 4 * 0.5 * 0.875)) / 2;
    expect(forwardShare(0.125, 0.5)).toBeCloseTo((0.5 * 0.125) / (lambda - 1), 10);
  });
});

describe('best of n', () => {
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
    expect(sum(bestOfN(p, scores, 16))).toBeCloseTo(1, 12);
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
    expect(bestOfNBound(1)).toBe(0);
  });

  it('of good and bad completions its share and its KL are exact', () => {
    const p = [0.1, 0.2, 0.3, 0.4];
    const best = bestOfN(p, [1, 1, 0, 0], 4);
    expect(best[0]! + best[1]!).toBeCloseTo(bestOfNShare(0.3, 4), 12);
    expect(divergence(best, p)).toBeCloseTo(bestOfNKl(0.3, 4), 12);
    expect(bestOfNKl(0.3, 4)).toBeLessThan(bestOfNBound(4));
  });
});

describe('what a share costs', () => {
  it('begins at the reference and ends where everything is as it should: at −log p', () => {
    const bound = shareBound(0.25);
    expect(bound[0]).toEqual({ x: 0, y: 0.25 });
    expect(bound[bound.length - 1]?.x).toBeCloseTo(Math.log(4), 12);
    expect(shareBound(0)).toEqual([]);
  });

  it('no distribution over completions pays less, and the tilted one pays just that', () => {
    const weights = fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 });
    const share = (of: number[]): number => (of[0] ?? 0) + (of[1] ?? 0);
    fc.assert(
      fc.property(weights, weights, (one, other) => {
        const [ref, policy] = [normalised(one), normalised(other)];
        expect(divergence(policy, ref)).toBeGreaterThanOrEqual(shareCost(share(policy), share(ref)) - 1e-9);
        const best = tilted(ref, [1, 1, 0, 0], 1 / Math.log(3));
        expect(divergence(best, ref)).toBeCloseTo(shareCost(share(best), share(ref)), 9);
      }),
    );
  });

  it('over prompts the curve lies below the bound of their mean, and on it where all are alike', () => {
    const at = (bound: { x: number; y: number }[], y: number): number => {
      const i = bound.findIndex((point) => point.y >= y);
      const [a, b] = [bound[i - 1]!, bound[i]!];
      return a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x);
    };
    for (const { x, y } of promptsCurve([0.1, 0.5, 0.9]).slice(1, -1))
      expect(x).toBeGreaterThan(at(shareBound(0.5, 4000), y));
    const curve = promptsCurve([0.25, 0.25]);
    expect(curve[0]).toEqual({ x: 0, y: 0.25 });
    expect(curve.at(-1).y).toBeGreaterThan(0.9999);
    for (const { x, y } of curve) expect(x).toBeCloseTo(shareCost(y, 0.25), 10);
  });
});

describe('the optimum from samples of a prompt', () => {
  const BETA = 0.5;
  /** What is said on average of a prompt with the share p, over many draws. */
  function average(p: number, n: number, estimate: (hits: number) => number): number {
    const draws = 4000;
    const values = Array.from({ length: draws }, (_, d) =>
      estimate(
        Array.from({ length: n }, (__, i) => Number(uniform(d, i, 'hit') < p)).reduce((a, b) => a + b, 0),
      ),
    );
    return sum(values) / draws;
  }
  const samples = (hits: number, n: number) =>
    Array.from({ length: n }, (_, i) => ({ reward: Number(i < hits), objective: Number(i < hits) }));

  it.each([0.1, 0.3, 0.6])('is nearly right on average for a share of %f from 16, and never above 1', (p) => {
    const exact = tiltedShare(p, BETA);
    const corrected = average(p, 16, (hits) => tiltedReward(samples(hits, 16), BETA));
    const plain = average(p, 16, (hits) => tiltedShare(hits / 16, BETA));
    expect(Math.abs(corrected - exact)).toBeLessThan(0.02);
    expect(Math.abs(corrected - exact)).toBeLessThan(0.7 * Math.abs(plain - exact));
    for (let hits = 0; hits <= 16; hits++) {
      const value = tiltedReward(samples(hits, 16), BETA);
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThanOrEqual(1);
    }
  });

  it('weighs by what the method maximises and reports the reward', () => {
    const cut = { reward: 1, objective: 0 };
    const ended = { reward: 1, objective: 1 };
    const bad = { reward: 0, objective: 0 };
    expect(tiltedReward([cut, cut, cut], BETA)).toBe(1);
    expect(tiltedReward([ended], BETA)).toBe(1);
    expect(tiltedReward([ended, ended, ended, ended, bad, bad], BETA)).toBeGreaterThan(
      tiltedReward([cut, cut, cut, cut, bad, bad], BETA),
    );
  });
});
