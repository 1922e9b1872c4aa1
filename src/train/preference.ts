// What the methods that learn from pairs share: pairs in micro-batches, both sides of a pair in one, what the policy
// makes of them row by row, and the figures that are logged of it under TRL's names.

import { collate, type Sequence } from '../data/batches';
import { chunks } from '../data/micro-batches';
import { tf } from '../engine/tf';
import type { Adapter } from '../model/lora';
import { completionLogprobs } from '../model/logprobs';
import type { CompletionBatch, LanguageModel } from '../model/types';
import { AdamW } from './optimizer';
import { mean, ScalarSums, type StageContext, type TrainState } from './state';

/** Two completions of one prompt, each a whole sequence, the better one named. */
export interface Preference {
  chosen: Sequence;
  rejected: Sequence;
}

export interface PreferenceContext extends StageContext {
  train: readonly Preference[];
  heldOut: readonly Preference[];
}

/** A policy before its first step, a copy of where it starts. */
export function startPolicy(start: Adapter): TrainState {
  const policy = start.clone('policy');
  return { step: 0, adapters: { policy }, optimizers: { policy: new AdamW(policy.variables) }, scalars: {} };
}

/** One number for each side of each pair, by the pair's place in its list. */
export interface Sides {
  chosen: number[];
  rejected: number[];
}

/** The same of some pairs as tensors, [P] each. */
export interface SideTensors {
  chosen: tf.Tensor1D;
  rejected: tf.Tensor1D;
}

/** Some pairs of a list (`rows` are their places in it): P chosen sides, then P rejected ones. */
export interface PairBatch {
  rows: number[];
  batch: CompletionBatch;
}

const completionLength = ({ ids, promptLength }: Sequence): number => ids.length - promptLength;

/** Tokens of the longer side of each pair. */
export const longerSides = (pairs: readonly Preference[]): number[] =>
  pairs.map(({ chosen, rejected }) => Math.max(chosen.ids.length, rejected.ids.length));

/** Tokens of each completion. */
export const completionLengths = (pairs: readonly Preference[]): Sides => ({
  chosen: pairs.map(({ chosen }) => completionLength(chosen)),
  rejected: pairs.map(({ rejected }) => completionLength(rejected)),
});

/** Cuts pairs (default: all) of a list into micro-batches, the longest first. */
export function pairBatches(
  pairs: readonly Preference[],
  context: number,
  rows: Iterable<number> = pairs.keys(),
): PairBatch[] {
  const lengths = longerSides(pairs);
  return chunks(rows, (row) => lengths[row]!, context, 2).map((some) => ({
    rows: some,
    batch: collate(
      [...some.map((row) => pairs[row]!.chosen), ...some.map((row) => pairs[row]!.rejected)],
      context,
    ),
  }));
}

/** The log-probability of each completion, the sum over its tokens. Differentiable; call inside a tidy. */
export function sideLogprobs(
  model: LanguageModel,
  adapter: Adapter,
  { batch }: PairBatch,
  temperature = 1,
): SideTensors {
  const { logprobs } = completionLogprobs(model, adapter, batch, { temperature }); // [2P, T]
  const [chosen, rejected] = tf.split(tf.sum(logprobs, 1), 2) as [tf.Tensor1D, tf.Tensor1D];
  return { chosen, rejected };
}

/** The numbers of a micro-batch's rows as tensors. */
export const pick = ({ rows }: PairBatch, { chosen, rejected }: Sides): SideTensors => ({
  chosen: tf.tensor1d(rows.map((row) => chosen[row]!)),
  rejected: tf.tensor1d(rows.map((row) => rejected[row]!)),
});

/** Log-probabilities a token. */
export const perTokenOf = (logps: SideTensors, lengths: SideTensors): SideTensors => ({
  chosen: tf.div(logps.chosen, lengths.chosen),
  rejected: tf.div(logps.rejected, lengths.rejected),
});

/** β times the log-probability a token: the reward where there is no reference to compare with. */
export const meanReward =
  ({ beta }: { beta: number }, lengths: Sides, logps: Sides) =>
  (side: keyof Sides, row: number): number =>
    (beta * logps[side][row]!) / lengths[side][row]!;

/** Sides told micro-batch by micro-batch, also inside a gradient function, and fetched once. */
export class ToldSides {
  private readonly parts: { rows: number[]; told: tf.Tensor }[] = [];

  add({ rows }: PairBatch, { chosen, rejected }: SideTensors): void {
    this.parts.push({ rows, told: tf.keep(tf.concat([chosen, rejected])) }); // [2P]
  }

  async read(): Promise<Sides> {
    const sides: Sides = { chosen: [], rejected: [] };
    for (const { rows, told } of this.parts.splice(0)) {
      const values = await told.data();
      told.dispose();
      rows.forEach((row, p) => {
        sides.chosen[row] = values[p]!;
        sides.rejected[row] = values[rows.length + p]!;
      });
    }
    return sides;
  }
}

/** The log-probabilities of all pairs, without gradients. */
export async function pairLogprobs(
  model: LanguageModel,
  adapter: Adapter,
  pairs: readonly Preference[],
  temperature = 1,
): Promise<Sides> {
  const told = new ToldSides();
  for (const micro of pairBatches(pairs, model.config.context)) {
    tf.tidy(() => told.add(micro, sideLogprobs(model, adapter, micro, temperature)));
  }
  return told.read();
}

/** TRL's figures of the pairs at `rows`: `logps` are log-probabilities, `reward` makes the implicit reward of one. */
export function sideFigures(
  rows: readonly number[],
  logps: Sides,
  reward: (side: keyof Sides, row: number) => number,
) {
  const chosen = rows.map((row) => reward('chosen', row));
  const rejected = rows.map((row) => reward('rejected', row));
  return {
    'rewards/chosen': mean(chosen),
    'rewards/rejected': mean(rejected),
    'rewards/margins': mean(chosen) - mean(rejected),
    'rewards/accuracies': mean(chosen.map((value, i) => Number(value > rejected[i]!))),
    'logps/chosen': mean(rows.map((row) => logps.chosen[row]!)),
    'logps/rejected': mean(rows.map((row) => logps.rejected[row]!)),
  };
}

/** A look at held-out pairs: the loss (`part` gives what a micro-batch adds to it), and how often and by how much the
 *  policy prefers what was chosen. */
export async function lookAtPairs(
  model: LanguageModel,
  policy: Adapter,
  pairs: readonly Preference[],
  part: (micro: PairBatch, logps: SideTensors) => tf.Scalar,
  reward: (logps: Sides) => (side: keyof Sides, row: number) => number,
) {
  const sums = new ScalarSums();
  const told = new ToldSides();
  for (const micro of pairBatches(pairs, model.config.context)) {
    tf.tidy(() => {
      const logps = sideLogprobs(model, policy, micro);
      sums.add(part(micro, logps));
      told.add(micro, logps);
    });
  }
  const [loss] = await sums.read();
  const logps = await told.read();
  const seen = sideFigures([...pairs.keys()], logps, reward(logps));
  return {
    eval_loss: loss!,
    'eval_rewards/accuracies': seen['rewards/accuracies'],
    'eval_rewards/margins': seen['rewards/margins'],
  };
}
