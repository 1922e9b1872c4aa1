// Those compared take turns: everyone does a workload once (shaders compile, and their numbers are held against ours),
// then A B A B … until the workload's time is over, so that whatever else the machine does hits all alike.

import type { Entry, Name } from './plan.ts';
import type { Seat } from './seats.ts';
import type { Sample } from './worker.ts';

export interface Measured {
  /** The first run, with all that is done only once. */
  first: Sample;
  /** The timed ones. None where the first took too long to be repeated. */
  samples: Sample[];
  /** Largest relative difference of its numbers from ours over the first two runs; null where it has none to compare. */
  difference: number | null;
}

/** Why someone was not measured. */
export interface Failure {
  error: string;
}

export type Results = Map<Name, Measured | Failure>;

/** Numbers of float32 sums in other orders differ by less; another loss, mask or optimizer by more. */
const tolerance = 2e-3;
const mostRounds = 30;
/** Milliseconds: who needs longer at first is not asked again. */
const hopeless = 120_000;

export async function race(entry: Entry, seats: ReadonlyMap<Name, Seat>): Promise<Results> {
  const results: Results = new Map();
  const measured = (name: Name): Measured | undefined => {
    const result = results.get(name);
    return result && 'first' in result ? result : undefined;
  };
  const attempt = async (name: Name, act: (seat: Seat) => Promise<void>): Promise<void> => {
    try {
      await act(seats.get(name)!);
    } catch (error) {
      results.set(name, { error: error instanceof Error ? error.message : String(error) });
    }
  };

  const { who, seconds, ...work } = entry;
  for (const name of who) {
    await attempt(name, async (seat) => {
      const first = (await seat.ask({ do: 'prepare', work })) as Sample;
      const difference = apart(measured('ours')?.first.numbers, first.numbers);
      if (difference !== null && difference > tolerance) {
        throw new Error(
          `computes ${first.numbers.join(', ')} where ours is ${measured('ours')?.first.numbers.join(', ')}`,
        );
      }
      console.error(`  ${name}: ${(first.milliseconds / 1000).toFixed(1)} s at first`);
      results.set(name, { first, samples: [], difference });
    });
  }

  const start = performance.now();
  const budget = 1000 * seconds * who.length;
  let playing = who.filter((name) => (measured(name)?.first.milliseconds ?? Infinity) < hopeless);
  for (let round = 0; round < mostRounds && playing.length > 0; round++) {
    for (const name of playing) {
      await attempt(name, async (seat) => {
        measured(name)?.samples.push((await seat.ask({ do: 'run' })) as Sample);
      });
    }
    // Who is slow is not waited for again, so that the others have their rounds.
    const left = budget - (performance.now() - start);
    playing = playing.filter((name) => {
      const last = measured(name)?.samples.at(-1)?.milliseconds ?? Infinity;
      return last < left / 4;
    });
  }

  for (const name of who) {
    const result = measured(name);
    const second = apart(measured('ours')?.samples[0]?.numbers, result?.samples[0]?.numbers ?? []);
    if (result && second !== null) result.difference = Math.max(result.difference ?? 0, second);
    await attempt(name, async (seat) => {
      await seat.ask({ do: 'dispose' });
    });
  }
  return results;
}

/** The largest relative difference of two lists of numbers. */
function apart(expected: readonly number[] | undefined, actual: readonly number[]): number | null {
  if (!expected || expected.length === 0 || actual.length === 0) return null;
  if (expected.length !== actual.length) return Infinity;
  return Math.max(
    ...expected.map((value, i) => Math.abs(value - actual[i]!) / Math.max(1e-6, Math.abs(value))),
  );
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = (sorted.length - 1) / 2;
  return (sorted[Math.floor(half)]! + sorted[Math.ceil(half)]!) / 2;
}

/** The runs that count: the timed ones, or the only one there is. */
export const counted = ({ samples, first }: Measured): Sample[] => (samples.length > 0 ? samples : [first]);

export const typical = (measured: Measured): number =>
  median(counted(measured).map(({ milliseconds }) => milliseconds));
