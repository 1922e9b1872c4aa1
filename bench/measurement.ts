// A workload with what was measured of everyone, and what follows from several: the device's ceiling, and twelve blocks
// from one and two.

import { demand, tokensOf } from './flops.ts';
import { blockCounts, type Entry, type Name } from './plan.ts';
import { typical, type Measured, type Results } from './race.ts';

export interface Measurement {
  entry: Entry;
  results: Results;
  /** When it was begun, and the load of the machine then, by this run's own last workload too. */
  begun: string;
  load: number;
}

export const of = ({ results }: Measurement, name: Name): Measured | undefined => {
  const result = results.get(name);
  return result && 'first' in result ? result : undefined;
};

export interface Ceiling {
  gflops: number;
  gbytes: number;
}

/** The best of everyone: what the device can be brought to do at all. */
export function ceilingOf(all: readonly Measurement[]): Ceiling {
  const best = (kind: Entry['kind'], amount: (entry: Entry) => number): number =>
    Math.max(
      0,
      ...all
        .filter(({ entry }) => entry.kind === kind)
        .flatMap((measurement) =>
          measurement.entry.who.flatMap((name) => {
            const measured = of(measurement, name);
            return measured ? [amount(measurement.entry) / (1e6 * typical(measured))] : [];
          }),
        ),
    );
  return { gflops: best('matmul', (e) => demand(e).flops), gbytes: best('copy', (e) => demand(e).bytes) };
}

/** Milliseconds and FLOPs of twelve blocks, and of a block, from one and two: t₁ + 11 (t₂ − t₁). */
export function extrapolate(
  all: readonly Measurement[],
  name: Name,
): { ms: number; block: number; flops: number; tokens: number } | null {
  const blocks = all.filter(({ entry }) => entry.group === 'block');
  const [one, two] = blockCounts.map((count) => blocks.find(({ entry }) => entry.model.num_layers === count));
  const [first, second] = one && two ? [of(one, name), of(two, name)] : [];
  if (!one || !first || !second) return null;
  const layers = 12;
  const block = typical(second) - typical(first);
  const { flops } = demand({ ...one.entry, model: { ...one.entry.model, num_layers: layers } });
  return { ms: typical(first) + (layers - 1) * block, block, flops, tokens: tokensOf(one.entry) };
}
