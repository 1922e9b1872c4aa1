// What reward, or the judge's verdict, was reached at which distance from the reference: one point a checkpoint, one path
// a training, of every run; with the bound that no policy passes, where there is one, and the best of n as a mark.

import { methodNamed } from '../../shared/methods';
import { bestOfNBound } from '../../shared/optimum';
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
        // Best of n is drawn from the reference itself; what choosing moves it away at most is known, not measured.
        const at = x === 'kl' && best !== null ? bestOfNBound(best) : figures[x]?.value;
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

/** Round numbers over a span, about `count` of them. */
export function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count || 1;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((by) => by * ten).find((each) => each >= rough * (1 - 1e-9)) ?? rough;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}
