// A workload with what was measured of everyone, and what follows from several: the device's ceiling, and twelve blocks
// from one and four.

import { demand, tokensOf } from './flops.ts';
import { blockCounts, type Entry, type Name } from './plan.ts';
import { median, typical, type Measured, type Race } from './race.ts';

export interface Measurement extends Race {
  entry: Entry;
  /** When it was begun, and the load of the machine then, by this run's own last workload too. */
  begun: string;
  load: number;
}

export const of = ({ results }: Measurement, name: Name): Measured | undefined => {
  const result = results.get(name);
  return result && 'first' in result ? result : undefined;
};

export interface Ceiling {
  entry: Entry;
  name: Name;
  rate: number;
}

/** Of what someone did in a second, billions: bytes of a copy, else FLOPs; null where it was not measured. */
export function rateOf(measurement: Measurement, name: Name): number | null {
  const measured = of(measurement, name);
  const { flops, bytes } = demand(measurement.entry);
  return measured ? (measurement.entry.kind === 'copy' ? bytes : flops) / (1e6 * typical(measured)) : null;
}

/** The best of everyone: what the device can be brought to do at all; null where nothing of the kind was measured. */
export function ceilingOf(all: readonly Measurement[], kind: 'matmul' | 'copy'): Ceiling | null {
  let best: Ceiling | null = null;
  for (const measurement of all.filter(({ entry }) => entry.kind === kind)) {
    for (const name of measurement.entry.who) {
      const rate = rateOf(measurement, name);
      if (rate !== null && rate > (best?.rate ?? 0)) best = { entry: measurement.entry, name, rate };
    }
  }
  return best;
}

/**
 * MFLOP that the ceiling's product would have done in the time of someone's run: each in the pace of its own round; NaN
 * where the product had no turn.
 */
function foregone({ pace }: Race, { samples }: Measured): number {
  const known = samples.map(({ milliseconds }, round) => milliseconds * (pace[round] ?? NaN));
  return median(known.filter(Number.isFinite));
}

/** As a share of what the ceiling's product would have done, in MFLOP; null where that is not known. */
const shareOver = (flops: number, mflops: number): number | null =>
  Number.isFinite(mflops) ? flops / (1e6 * mflops) : null;

/** FLOPs of someone's run as a share of what the ceiling's product does in that time; null where it is not known. */
export function shareOf(measurement: Measurement, name: Name): number | null {
  const measured = of(measurement, name);
  const { flops } = demand(measurement.entry);
  return measured && flops > 0 ? shareOver(flops, foregone(measurement, measured)) : null;
}

/** Milliseconds of twelve blocks, of a block, and the share of the ceiling, from one and four: t₁ + 11 (t₄ − t₁) / 3. */
export function extrapolate(
  all: readonly Measurement[],
  name: Name,
): { ms: number; block: number; share: number | null; tokens: number } | null {
  const blocks = all.filter(({ entry }) => entry.group === 'block');
  const [few, many] = blockCounts.map((count) =>
    blocks.find(({ entry }) => entry.model.num_layers === count),
  );
  const [first, last] = few && many ? [of(few, name), of(many, name)] : [];
  if (!few || !many || !first || !last) return null;
  const layers = 12;
  const one = (a: number, b: number) => (b - a) / (blockCounts[1] - blockCounts[0]);
  const whole = (a: number, b: number) => a + (layers - blockCounts[0]) * one(a, b);
  const { flops } = demand({ ...few.entry, model: { ...few.entry.model, num_layers: layers } });
  return {
    ms: whole(typical(first), typical(last)),
    block: one(typical(first), typical(last)),
    share: shareOver(flops, whole(foregone(few, first), foregone(many, last))),
    tokens: tokensOf(few.entry),
  };
}
