// What reward, or the judge's verdict, was reached at which distance from the reference: one point a checkpoint, one path
// a training, of every run; with the bound that no policy passes, where there is one, and the best of n as a mark.

import { methodNamed } from '../../shared/methods';
import { bestOfNDistance } from '../../shared/optimum';
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
  /** Where it stands at the most that its KL can be, since what it is nobody knows. */
  bounded?: true;
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
        // Best of n is drawn from the reference itself; how far choosing moves it away is known, not measured.
        const best = x === 'kl' ? bestOfNDistance(checkpoint, report?.findings) : null;
        const at = (best?.kl ?? figures[x])?.value;
        const value = figures[y];
        const name = run === 0 ? checkpointLabel(checkpoint) : `${checkpointLabel(checkpoint)}, ${label}`;
        if (at === undefined || !value) return [];
        const bounded = best !== null && !best.exact && ({ bounded: true } as const);
        return [{ run, checkpoint, label: name, x: at, y: value, ...bounded }];
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

/** What the KL of the best of n is, in the words under the picture; empty where none stands in it. */
export function aboutBestOfN(spots: readonly Spot[]): string {
  const best = spots.filter(({ checkpoint }) => checkpoint.startsWith('best-of-'));
  if (best.length === 0) return '';
  const bounded = best.filter((spot) => spot.bounded).length;
  if (bounded === 0)
    return 'The best of n, picked by the reward, stands at its exact KL, which follows from each prompt’s share of good completions.';
  return bounded === best.length
    ? 'The best of n, picked by the reward, stands at the most that its KL can be, log n − (n − 1)/n.'
    : 'The best of n, picked by the reward, stands at its exact KL where a rule of 1 and 0 tells it, else at the most it can be, log n − (n − 1)/n.';
}

/** What the x axis spans: 0 and all that is drawn, but for a bare model that would make it more than twice as long. That
 *  stands at its edge, and what was trained keeps the room. */
export function extent(
  spots: readonly Pick<Spot, 'checkpoint' | 'x'>[],
  points: readonly number[],
): { low: number; high: number } {
  const trained = spots.filter(({ checkpoint }) => checkpoint !== 'base').map(({ x }) => x);
  const inner = [0, ...points, ...trained];
  const [low, high] = [Math.min(...inner), Math.max(...inner)];
  const near = spots.map(({ x }) => x).filter((x) => trained.length === 0 || x <= high + (high - low));
  return { low: Math.min(low, ...near), high: Math.max(high, ...near) };
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
