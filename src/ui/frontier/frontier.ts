// What reward, or the judge's verdict, was reached at which distance from the reference: one point a checkpoint, one path
// a training, of every run; with the bound that no policy passes, where there is one, and the best of n as a mark.

import { methodNamed } from '../../shared/methods';
import type { Interval, Report } from '../../shared/protocol';
import type { MetricColumns } from '../lib/series';
import { checkpointLabel } from '../lib/verdict';

/** What lies along an axis: a figure of the report. */
export type Measure = 'kl' | 'reward' | 'happy';

interface Spot {
  /** 0 is the run on show. */
  run: number;
  checkpoint: string;
  label: string;
  x: number;
  y: Interval;
}

/** What a run is drawn from. */
export interface Explored {
  label: string;
  report: Report | null;
  /** Metrics of its stages, by their names. */
  columns: ReadonlyMap<string, MetricColumns>;
}

export interface Frontier {
  spots: Spot[];
  /** Every update of a training, where it measured both: KL and score. */
  paths: { run: number; points: { x: number; y: number }[] }[];
}

export function frontierOf(runs: readonly Explored[], x: Measure, y: Measure): Frontier {
  return {
    spots: runs.flatMap(({ report, label }, run) =>
      Object.entries(report?.evaluation ?? {}).flatMap(([checkpoint, figures]): Spot[] => {
        const best = bestOfN(checkpoint);
        // Best of n is drawn from the reference itself; what choosing moves it away is known, not measured.
        const at = x === 'kl' && best !== null ? bestOfNKl(best) : figures[x]?.value;
        const value = figures[y];
        const name = run === 0 ? checkpointLabel(checkpoint) : `${checkpointLabel(checkpoint)}, ${label}`;
        return at === undefined || !value ? [] : [{ run, checkpoint, label: name, x: at, y: value }];
      }),
    ),
    paths: x === 'kl' && y === 'reward' ? runs.flatMap(pathsOf) : [],
  };
}

function pathsOf({ columns }: Explored, run: number): Frontier['paths'] {
  return Array.from(columns).flatMap(([stage, each]) => {
    if (methodNamed(stage)?.leaves !== 'policy') return [];
    const [kl, scores] = [each.column('objective/kl'), each.column('objective/scores')];
    const points = kl.flatMap((at, i) => {
      const score = scores[i];
      return at === null || typeof score !== 'number' ? [] : [{ x: at, y: score }];
    });
    return points.length > 1 ? [{ run, points }] : [];
  });
}

/** n of a checkpoint called best-of-n. */
function bestOfN(checkpoint: string): number | null {
  const n = /^best-of-(\d+)$/.exec(checkpoint)?.[1];
  return n === undefined ? null : Number(n);
}

/** KL in nats of the best of n from one, where no two score alike; at most that where some do. */
export function bestOfNKl(n: number): number {
  return Math.log(n) - (n - 1) / n;
}

/** What a share q costs at least when the reference has the share p: no policy that reaches q is nearer to the
 *  reference than the two-way choice itself (data processing), in nats. */
export function shareCost(q: number, p: number): number {
  const part = (a: number, b: number): number => (a === 0 ? 0 : a * Math.log(a / b));
  return part(q, p) + part(1 - q, 1 - p);
}

/** The bound from the reference's share up to all, as points of KL and share; empty where the share is 0 or 1. */
export function shareBound(p: number, steps = 48): { x: number; y: number }[] {
  if (p <= 0 || p >= 1) return [];
  return Array.from({ length: steps + 1 }, (_, i) => {
    const y = i === steps ? 1 : p + ((1 - p) * i) / steps;
    return { x: shareCost(y, p), y };
  });
}

/** Round numbers over a span, about `count` of them. */
export function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count || 1;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((by) => by * ten).find((each) => each >= rough * (1 - 1e-9)) ?? rough;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}
