// What this benchmark was asked to show: every line, held against what was measured or told why it was not. A line that
// falls short says so.

import { extrapolate, rateOf, shareOf, type Measurement } from './measurement.ts';
import { products, type Entry, type Kind, type Name, type Peer, type Product, type Scale } from './plan.ts';
import { median, typical, type Measured } from './race.ts';

type All = readonly Measurement[];

/** A figure, or why there is none. */
type Found = number | string;

interface Goal {
  on: Exclude<Scale, 'quick'>;
  what: string;
  measured: (all: All) => Found;
  least?: number;
  most?: number;
}

const small = 'stories-neo';
const large = 'gpt-neo-125m';

/** The first that fits: the workloads in the shapes that were asked for come before those that everyone can do. */
function find(all: All, kind: Kind, model: string): Measurement | undefined {
  const fits = ({ group, model: { name }, ...entry }: Entry) =>
    group !== 'growth' && entry.kind === kind && name === model;
  return all.find(({ entry }) => fits(entry));
}

/** Someone's runs of a workload, or why there are none. */
function look(measurement: Measurement | undefined, name: Name): Measured | string {
  if (!measurement) return 'its workload was not run';
  const { entry, results } = measurement;
  const result = results.get(name);
  if (result) return 'error' in result ? `${name} failed: ${result.error}` : result;
  return entry.absent.find((one) => one.name === name)?.why ?? `${name} was not asked to take part`;
}

/** Something of our own runs of a workload. */
const ours =
  (
    pick: (all: All) => Measurement | undefined,
    value: (measured: Measured, measurement: Measurement) => Found,
  ): Goal['measured'] =>
  (all) => {
    const measurement = pick(all);
    const found = look(measurement, 'ours');
    if (typeof found === 'string') return found;
    return measurement ? value(found, measurement) : 'its workload was not run';
  };

const seconds = (kind: Kind, model: string): Goal['measured'] =>
  ours(
    (all) => find(all, kind, model),
    (measured) => typical(measured) / 1000,
  );

const dispatched = (model: string): Goal['measured'] =>
  ours(
    (all) => find(all, 'sft', model),
    (measured) => median(measured.samples.map(({ dispatches }) => dispatches)),
  );

/** How many times our time a peer takes. */
const times =
  (kind: Kind, model: string, peer: Peer): Goal['measured'] =>
  (all) => {
    const measurement = find(all, kind, model);
    const [a, b] = [look(measurement, 'ours'), look(measurement, peer)];
    if (typeof a === 'string') return a;
    return typeof b === 'string' ? b : typical(b) / typical(a);
  };

const inPercent = (share: number | null): Found =>
  share === null ? 'the ceiling was not measured' : 100 * share;

const stepShare = (model: string): Goal['measured'] =>
  ours(
    (all) => find(all, 'sft', model),
    (_, measurement) => inPercent(shareOf(measurement, 'ours')),
  );

const whole: Goal['measured'] = (all) => {
  const found = extrapolate(all, 'ours');
  return found ? inPercent(found.share) : 'its blocks were not run';
};

const matmul = (product: Product): Goal['measured'] =>
  ours(
    (all) => all.find(({ entry }) => entry.kind === 'matmul' && entry.product === product),
    (_, measurement) => rateOf(measurement, 'ours') ?? 'its workload was not run',
  );

/** From taking a seat to the end of the first update. */
const firstUpdate = ours(
  (all) => find(all, 'ppo', large),
  ({ ready, first }) => (ready + first.milliseconds) / 1000,
);

// prettier-ignore
const goals: readonly Goal[] = [
  { on: 'software', what: 'LoRA SFT step of stories-neo, × plain tfjs', measured: times('sft', small, 'plain'), least: 5 },
  { on: 'software', what: 'LoRA SFT step of stories-neo, × jax-js (aim: 1.5)', measured: times('sft', small, 'jax-js'), least: 1 },
  { on: 'software', what: 'rollout of 16, × plain tfjs with its cache concatenated', measured: times('rollout', small, 'plain'), least: 5 },
  { on: 'software', what: '% of the matmul ceiling, one 125M block and head, 1 × 64 tokens', measured: stepShare(`${large}, 1 of 12 blocks`), least: 50 },
  { on: 'software', what: '% of the matmul ceiling, 125M, 1 × 64 tokens, extrapolated from one block and four', measured: whole, least: 50 },
  { on: 'software', what: 'dispatches of an SFT step of 6 layers (30 a layer + 20)', measured: dispatched(small), most: 200 },
  ...products.map((product): Goal => ({ on: 'wasm', what: `GFLOP/s of matmul ${product}, sustained`, measured: matmul(product), least: 70 })),
  { on: 'wasm', what: 'LoRA SFT step of stories-neo, × plain tfjs', measured: times('sft', small, 'plain'), least: 4 },
  { on: 'wasm', what: 'seconds of a PPO update of 32 × (64 + 40), 2 epochs, stories-neo', measured: seconds('ppo', small), most: 15 },
  { on: 'wasm', what: 'single stream of stories-neo, × onnxruntime-web', measured: times('decode', small, 'transformers'), least: 1 },
  { on: 'wasm', what: 'seconds of a 125M SFT step of 512 tokens', measured: seconds('sft', large), most: 12 },
  { on: 'hardware', what: '% of the matmul ceiling, 125M SFT step, 8 × 128', measured: stepShare(large), least: 50 },
  { on: 'hardware', what: '125M SFT step, × plain tfjs', measured: times('sft', large, 'plain'), least: 3 },
  { on: 'hardware', what: '125M SFT step, × jax-js', measured: times('sft', large, 'jax-js'), least: 1.5 },
  { on: 'hardware', what: '125M single stream, × onnxruntime-web', measured: times('decode', large, 'transformers'), least: 1 },
  { on: 'hardware', what: 'dispatches of a 125M SFT step of 12 layers (30 a layer + 20)', measured: dispatched(large), most: 380 },
  { on: 'hardware', what: 'seconds from opening a worker to the first PPO update of 125M, weights made in memory', measured: firstUpdate, most: 60 },
];

/** How each kind of device comes into a run. */
const devices: Record<Goal['on'], { name: string; otherwise: string }> = {
  software: { name: 'software WebGPU', otherwise: 'this run had no software adapter' },
  wasm: { name: 'wasm', otherwise: 'see --backend wasm' },
  hardware: { name: 'hardware GPU', otherwise: 'this run had no hardware GPU' },
};

/** A row for each goal. */
export function heldAgainstGoals(all: All, scale: Scale): string[][] {
  return goals.map(({ on, what, measured, least = -Infinity, most = Infinity }) => {
    const { name, otherwise } = devices[on];
    const small = scale === 'quick' ? '--quick has smaller shapes' : null;
    const value = scale === on ? measured(all) : (small ?? otherwise);
    const bound = most < Infinity ? `≤ ${most}` : `≥ ${least}`;
    if (typeof value === 'string') return [name, what, `not measured (${value})`, bound, ''];
    const verdict = value >= least && value <= most ? 'reached' : 'falls short';
    return [name, what, value.toPrecision(3), bound, verdict];
  });
}
