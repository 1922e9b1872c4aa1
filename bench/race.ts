// Those compared take turns: everyone does a workload once (shaders compile, and their numbers are held against ours),
// then A B A B … until the workload's time is over, so that whatever else the machine does hits all alike. The product
// that makes the device's ceiling has a turn in each round too: a processor's pace changes by a fifth within minutes, and
// a share of the ceiling holds only for one of the same minute. Everyone sits down anew for each workload, so that the
// memory counted is that of this workload.

import type { Entry, Name } from './plan.ts';
import type { Seat } from './seats.ts';
import type { Sample } from './worker.ts';

export interface Measured {
  /** Milliseconds from taking a seat to being ready for the first run: scripts, device, weights. */
  ready: number;
  /** The first run, with all that is done only once. */
  first: Sample;
  /** The timed ones. */
  samples: Sample[];
  /** Largest relative difference of its numbers from ours over the first two runs, but for one row in 16 of a rollout,
   *  which may be another text; null where it has none to compare. */
  difference: number | null;
}

/** Why someone was not measured. */
export interface Failure {
  error: string;
}

export type Results = Map<Name, Measured | Failure>;

export interface Race {
  results: Results;
  /** GFLOP/s of the ceiling's product before each round, NaN where it failed; empty where none is known. */
  pace: number[];
}

/** Numbers of float32 sums in other orders differ by less; another loss, mask or optimizer by more. */
const tolerance = 2e-3;
const mostRounds = 30;
/** So many, though they take longer than the workload was given, of who needs less than so many milliseconds. */
const leastRounds = 3;
const short = 20_000;

/** `sit` gives someone a fresh seat with the device open; `product` runs the ceiling's, in GFLOP/s. */
export async function race(
  entry: Entry,
  sit: (name: Name) => Promise<Seat>,
  product: (() => Promise<number>) | null,
): Promise<Race> {
  const results: Results = new Map();
  const pace: number[] = [];
  const seats = new Map<Name, Seat>();
  const measured = (name: Name): Measured | undefined => {
    const result = results.get(name);
    return result && 'first' in result ? result : undefined;
  };
  const fail = (name: Name, error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    console.error(`  ${name}: ${message}`);
    results.set(name, { error: message.split('\n')[0]! }); // without the stack and its paths
  };
  const attempt = async (name: Name, act: (seat: Seat) => Promise<void>): Promise<void> => {
    const seat = seats.get(name);
    try {
      if (seat) await act(seat);
    } catch (error) {
      fail(name, error);
    }
  };

  const { who, seconds, ...work } = entry;
  // Now and then a draw falls so near the edge of two tokens (1e-10, once) that other sums give the other one.
  const others = entry.kind === 'rollout' ? Math.floor(entry.batch / 16) : 0;
  for (const name of who) {
    const begun = performance.now();
    try {
      seats.set(name, await sit(name));
    } catch (error) {
      fail(name, error);
      continue;
    }
    await attempt(name, async (seat) => {
      const first = (await seat.ask({ do: 'prepare', work })) as Sample;
      const difference = apart(measured('ours')?.first.numbers, first.numbers, others);
      if (difference !== null && difference > tolerance) {
        throw new Error(
          `computes ${first.numbers.join(', ')} where ours is ${measured('ours')?.first.numbers.join(', ')}`,
        );
      }
      console.error(`  ${name}: ${(first.milliseconds / 1000).toFixed(1)} s at first`);
      const ready = performance.now() - begun - first.milliseconds;
      results.set(name, { ready, first, samples: [], difference });
    });
  }

  const start = performance.now();
  const budget = 1000 * seconds * who.length;
  let playing = who.filter((name) => measured(name));
  for (let round = 0; round < mostRounds && playing.length > 0; round++) {
    if (product) pace.push(await product().catch(() => NaN));
    for (const name of playing) {
      await attempt(name, async (seat) => {
        measured(name)?.samples.push((await seat.ask({ do: 'run' })) as Sample);
      });
    }
    // Who is slow is not waited for again, so that the others have their rounds.
    const left = budget - (performance.now() - start);
    playing = playing.filter((name) => {
      const last = measured(name)?.samples.at(-1)?.milliseconds ?? Infinity;
      return last < left / 4 || (round + 1 < leastRounds && last < short);
    });
  }

  for (const name of who) {
    const result = measured(name);
    const second = apart(measured('ours')?.samples[0]?.numbers, result?.samples[0]?.numbers ?? [], others);
    if (result && second !== null) result.difference = Math.max(result.difference ?? 0, second);
    await seats.get(name)?.close();
  }
  return { results, pace };
}

/** The largest relative difference of two lists of numbers, but for the `others` largest; null where one is empty. */
export function apart(
  expected: readonly number[] | undefined,
  actual: readonly number[],
  others: number,
): number | null {
  if (!expected || expected.length === 0 || actual.length === 0) return null;
  if (expected.length !== actual.length) return Infinity;
  const differences = expected.map(
    (value, i) => Math.abs(value - actual[i]!) / Math.max(1e-6, Math.abs(value)),
  );
  return differences.sort((a, b) => b - a)[others]!;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = (sorted.length - 1) / 2;
  return (sorted[Math.floor(half)]! + sorted[Math.ceil(half)]!) / 2;
}

export const typical = ({ samples }: Measured): number =>
  median(samples.map(({ milliseconds }) => milliseconds));
