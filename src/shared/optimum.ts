// What is known in closed form about the best that a method can do: the optima of the objectives that methods maximise,
// the distribution of best-of-n, and what a share of good completions costs in KL. Page, report, learns and tests read
// the same formulas. `p` is a share of good completions under the reference, β the price of a nat.

import type { Interval, Report } from './protocol';

/** π*(y) ∝ ref(y)·e^{r(y)/β}: what maximises E[r] − β·KL(π ‖ ref). PPO, RLOO, REINFORCE; DPO with labels by r. */
export function tilted(ref: readonly number[], rewards: readonly number[], beta: number): number[] {
  const most = Math.max(...rewards);
  return normalised(ref.map((p, i) => p * Math.exp((rewards[i]! - most) / beta)));
}

/** The share of good completions under the tilted reference, where good is 1 and anything else 0:
 *  p·e^{1/β} / (1 − p + p·e^{1/β}). */
export const tiltedShare = (p: number, beta: number): number => tilted([p, 1 - p], [1, 0], beta)[0]!;

/** π = β·ref/(λ − r), λ such that it sums to 1: what maximises E[r] − β·KL(ref ‖ π). GRPO's fixed point, whose KL is a
 *  term of the loss by k3, for completions of one token; its β as `groupPrice` has it. */
export function forwardOptimum(ref: readonly number[], rewards: readonly number[], beta: number): number[] {
  const at = (lambda: number): number[] => ref.map((p, i) => (beta * p) / (lambda - rewards[i]!));
  let [low, high] = [Math.max(...rewards), Math.max(...rewards) + beta];
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (at(middle).reduce((a, b) => a + b) > 1) low = middle;
    else high = middle;
  }
  return at(high);
}

export const forwardShare = (p: number, beta: number): number => forwardOptimum([p, 1 - p], [1, 0], beta)[0]!;

/** The price that a group method's β comes to: the mean of a group holds each completion itself, which makes advantages
 *  smaller by (G − 1)/G. */
export const groupPrice = (beta: number, group: number): number => (beta * group) / (group - 1);

/** The probability of each outcome being the best of n independent ones (Beirami et al. 2024): F(y)^n − F(y⁻)^n for the
 *  outcomes of one score together, with F the probability of scoring at most so; among equals it is shared by their own
 *  probabilities. What rejection-sampling fine-tuning from the reference comes to. */
export function bestOfN(probabilities: readonly number[], scores: readonly number[], n: number): number[] {
  const total = (below: (score: number) => boolean): number =>
    probabilities.reduce((sum, p, i) => (below(scores[i]!) ? sum + p : sum), 0);
  return probabilities.map((p, i) => {
    const own = scores[i]!;
    const before = total((score) => score < own);
    const equal = total((score) => score === own);
    return equal === 0 ? 0 : (p / equal) * ((before + equal) ** n - before ** n);
  });
}

/** The share of good completions among the best of n. */
export const bestOfNShare = (p: number, n: number): number => 1 - (1 - p) ** n;

/** log n − (n − 1)/n: what the KL of best-of-n from its reference never exceeds, and comes near to where scores are
 *  many and distinct. In nats. */
export const bestOfNBound = (n: number): number => Math.log(n) - (n - 1) / n;

/** The KL of best-of-n itself where a completion is good or not, and no good one better than another. */
export const bestOfNKl = (p: number, n: number): number => shareCost(bestOfNShare(p, n), p);

/** What a report calls it among the findings of a comparison. */
export const bestOfNKey = (n: number): string => `best_of_${n}_kl`;

/** How far a checkpoint called best-of-n lies from its reference: as a run found it, else what it can be at most. Null for
 *  another checkpoint. */
export function bestOfNDistance(
  checkpoint: string,
  findings: Report['findings'] = {},
): { kl: Interval; exact: boolean } | null {
  const n = Number(/^best-of-(\d+)$/.exec(checkpoint)?.[1]);
  if (Number.isNaN(n)) return null;
  const found = Object.values(findings).find((each) => bestOfNKey(n) in each)?.[bestOfNKey(n)];
  const most = bestOfNBound(n);
  return { kl: found ?? { value: most, low: most, high: most }, exact: found !== undefined };
}

/** What a share q costs at least when the reference has the share p: no policy that reaches q is nearer to the
 *  reference than the two-way choice itself (data processing), and the tilted one is as near. In nats. */
export function shareCost(q: number, p: number): number {
  const part = (a: number, b: number): number => (a === 0 ? 0 : a * Math.log(a / b));
  return part(q, p) + part(1 - q, 1 - p);
}

export interface Point {
  /** KL from the reference in nats. */
  x: number;
  /** Share of good completions. */
  y: number;
}

/** The bound from the reference's share up to all; empty where the share is 0 or 1. Of one prompt it is the exact
 *  optimum. With the share of many prompts together it still bounds them, and from above: see `promptsCurve`. */
export function shareBound(p: number, steps = 48): Point[] {
  if (p <= 0 || p >= 1) return [];
  return Array.from({ length: steps + 1 }, (_, i) => {
    const y = i === steps ? 1 : p + ((1 - p) * i) / steps;
    return { x: shareCost(y, p), y };
  });
}

/** The exact optimum over prompts of which each has a share of its own: the mean share and the mean KL as the price of a
 *  nat falls, the same for all prompts. Never above `shareBound` of the mean share. */
export function promptsCurve(shares: readonly number[], steps = 48): Point[] {
  const mean = (of: (p: number) => number): number =>
    shares.reduce((sum, p) => sum + of(p), 0) / shares.length;
  return Array.from({ length: steps + 1 }, (_, i) => {
    // Tilts e^0 … e^12, the first ones close together.
    const beta = i === 0 ? Infinity : 1 / (12 * (i / steps) ** 2);
    return { x: mean((p) => shareCost(tiltedShare(p, beta), p)), y: mean((p) => tiltedShare(p, beta)) };
  });
}

/** A completion that the reference wrote to a prompt: what it scores, and what the method makes of that (a penalty for
 *  not ending taken off). */
export interface Drawn {
  reward: number;
  objective: number;
}

/** The mean reward that the tilted reference has at one prompt, estimated from what the reference wrote there: each
 *  weighed by e^{objective/β}. Of few samples such a ratio is too low, and about 1/n of that is taken out by leaving
 *  out one at a time (the jackknife). Where the reference never wrote a good one it still says 0. */
export function tiltedReward(samples: readonly Drawn[], beta: number): number {
  const ratio = (some: readonly Drawn[]): number => {
    const weights = tilted(
      some.map(() => 1),
      some.map(({ objective }) => objective),
      beta,
    );
    return some.reduce((sum, { reward }, i) => sum + weights[i]! * reward, 0);
  };
  const n = samples.length;
  const all = ratio(samples);
  if (n === 1) return all;
  const without = samples.map((_, i) => ratio(samples.filter((__, j) => j !== i)));
  const corrected = n * all - ((n - 1) / n) * without.reduce((a, b) => a + b);
  const rewards = samples.map(({ reward }) => reward);
  return Math.min(Math.max(...rewards), Math.max(Math.min(...rewards), corrected));
}

/** The same weights with a sum of 1. */
function normalised(weights: readonly number[]): number[] {
  const total = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / total);
}
