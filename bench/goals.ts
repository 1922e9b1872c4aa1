// What this benchmark was asked to show, each line held against what was measured. A line that falls short says so.

import { demand } from './flops.ts';
import { ceilingOf, extrapolate, of, type Measurement } from './measurement.ts';
import type { Entry, Kind, Peer, Scale } from './plan.ts';
import { counted, median, typical, type Measured } from './race.ts';

interface Goal {
  scale: Scale;
  what: string;
  /** Null where it was not measured. */
  measured: (all: readonly Measurement[]) => number | null;
  least?: number;
  most?: number;
}

const small = 'stories-neo';
const large = 'gpt-neo-125m';

function find(all: readonly Measurement[], kind: Kind, model: string): Measurement | undefined {
  const fits = ({ group, model: { name }, ...entry }: Entry) =>
    group !== 'growth' && entry.kind === kind && name === model;
  return all.find(({ entry }) => fits(entry));
}

/** Something of our own runs of a workload. */
const ours =
  (kind: Kind, model: string, value: (measured: Measured) => number): Goal['measured'] =>
  (all) => {
    const measurement = find(all, kind, model);
    const measured = measurement && of(measurement, 'ours');
    return measured ? value(measured) : null;
  };

const seconds = (kind: Kind, model: string): Goal['measured'] => ours(kind, model, (m) => typical(m) / 1000);

const dispatched = (model: string): Goal['measured'] =>
  ours('sft', model, (m) => median(counted(m).map(({ dispatches }) => dispatches)));

/** How many times our time a peer takes. */
const times =
  (kind: Kind, model: string, peer: Peer): Goal['measured'] =>
  (all) => {
    const measurement = find(all, kind, model);
    const [a, b] = measurement ? [of(measurement, 'ours'), of(measurement, peer)] : [];
    return a && b ? typical(b) / typical(a) : null;
  };

/** The share of the matmul ceiling, in percent. */
const share =
  (model: string): Goal['measured'] =>
  (all) => {
    const measurement = find(all, 'sft', model);
    const measured = measurement && of(measurement, 'ours');
    const { gflops } = ceilingOf(all);
    return measured && gflops ? demand(measurement.entry).flops / (1e4 * typical(measured) * gflops) : null;
  };

const whole: Goal['measured'] = (all) => {
  const found = extrapolate(all, 'ours');
  const { gflops } = ceilingOf(all);
  return found && gflops ? found.flops / (1e4 * found.ms * gflops) : null;
};

const matmul: Goal['measured'] = (all) => {
  const measurement = all.find(({ entry }) => entry.kind === 'matmul');
  const measured = measurement && of(measurement, 'ours');
  return measured ? demand(measurement.entry).flops / (1e6 * typical(measured)) : null;
};

// prettier-ignore
const goals: readonly Goal[] = [
  { scale: 'software', what: 'LoRA SFT step, × plain tfjs', measured: times('sft', small, 'plain'), least: 5 },
  { scale: 'software', what: 'LoRA SFT step, × jax-js', measured: times('sft', small, 'jax-js'), least: 1 },
  { scale: 'software', what: 'rollout of 16, × plain tfjs', measured: times('rollout', small, 'plain'), least: 5 },
  { scale: 'software', what: 'dispatches of an SFT step of 6 layers', measured: dispatched(small), most: 200 },
  { scale: 'software', what: '% of the matmul ceiling, one 125M block and head', measured: share(`${large}, 1 of 12 blocks`), least: 50 },
  { scale: 'software', what: '% of the matmul ceiling, 125M extrapolated', measured: whole, least: 50 },
  { scale: 'wasm', what: 'GFLOP/s of matmul', measured: matmul, least: 70 },
  { scale: 'wasm', what: 'LoRA SFT step, × plain tfjs', measured: times('sft', small, 'plain'), least: 4 },
  { scale: 'wasm', what: 'seconds of a PPO update', measured: seconds('ppo', small), most: 15 },
  { scale: 'wasm', what: 'single stream, × onnxruntime-web', measured: times('decode', small, 'transformers'), least: 1 },
  { scale: 'wasm', what: 'seconds of a 125M SFT step of 512 tokens', measured: seconds('sft', large), most: 12 },
  { scale: 'hardware', what: '% of the matmul ceiling, 125M SFT step', measured: share(large), least: 50 },
  { scale: 'hardware', what: '125M SFT step, × plain tfjs', measured: times('sft', large, 'plain'), least: 3 },
  { scale: 'hardware', what: '125M SFT step, × jax-js', measured: times('sft', large, 'jax-js'), least: 1.5 },
  { scale: 'hardware', what: '125M single stream, × onnxruntime-web', measured: times('decode', large, 'transformers'), least: 1 },
  { scale: 'hardware', what: 'dispatches of a 125M SFT step of 12 layers', measured: dispatched(large), most: 380 },
];

/** A row for each goal of the scale that was measured. */
export function heldAgainstGoals(all: readonly Measurement[], scale: Scale): string[][] {
  return goals
    .filter((goal) => goal.scale === scale)
    .flatMap(({ what, measured, least = -Infinity, most = Infinity }) => {
      const value = measured(all);
      if (value === null) return [];
      const bound = most < Infinity ? `≤ ${most}` : `≥ ${least}`;
      return [
        [what, value.toPrecision(3), bound, value >= least && value <= most ? 'reached' : 'falls short'],
      ];
    });
}
