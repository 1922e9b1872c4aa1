// What the methods that learn from pairs share: pairs in micro-batches, both sides of a pair in one, what the policy
// makes of them row by row, and the figures that are logged of it under TRL's names. A method says what a micro-batch adds
// to its loss, and what the implicit reward of a completion is.

import { collate, type Sequence } from '../data/batches';
import { chunks } from '../data/micro-batches';
import { tf } from '../engine/tf';
import type { Adapter } from '../model/lora';
import { completionLogprobs } from '../model/logprobs';
import type { CompletionBatch, LanguageModel } from '../model/types';
import type { MetricsRow } from '../shared/protocol';
import { gradientsOver } from './optimizer';
import { learnFromRows, type RowSettings } from './rows';
import { mean, ScalarSums, type StageContext, sum, ToldRows, type TrainState } from './state';

/** Two completions of one prompt, each a whole sequence, the better one named. */
export interface Preference {
  chosen: Sequence;
  rejected: Sequence;
  /** By how much the chosen one is better, where a row says so. */
  margin?: number;
}

export interface PreferenceContext extends StageContext {
  train: readonly Preference[];
  heldOut: readonly Preference[];
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

/** Tokens of both sides of each pair. */
export const bothSides = (pairs: readonly Preference[]): number[] =>
  pairs.map(({ chosen, rejected }) => chosen.ids.length + rejected.ids.length);

/** Tokens of each completion. */
export const completionLengths = (pairs: readonly Preference[]): Sides => ({
  chosen: pairs.map(({ chosen }) => completionLength(chosen)),
  rejected: pairs.map(({ rejected }) => completionLength(rejected)),
});

/** Cuts pairs (default: all) of a list into micro-batches of at most `most`, the longest first. */
export function pairBatches(
  pairs: readonly Preference[],
  context: number,
  rows: Iterable<number> = pairs.keys(),
  most = Infinity,
): PairBatch[] {
  const lengths = longerSides(pairs);
  return chunks(rows, (row) => lengths[row]!, context, { width: 2, most }).map((some) => ({
    rows: some,
    batch: collate(
      [...some.map((row) => pairs[row]!.chosen), ...some.map((row) => pairs[row]!.rejected)],
      context,
    ),
  }));
}

/** What a policy makes of P pairs. */
export interface Sight {
  /** The log-probability of each completion, the sum over its tokens, [P] each. Differentiable. */
  logps: SideTensors;
  /** Sums over tokens, [4]: entropy of both sides, tokens of the chosen side that would have been named first, mean raw
   *  logits of the chosen and of the rejected side. */
  sums: () => tf.Tensor1D;
}

/** Call inside a tidy. */
export function seePairs(
  model: LanguageModel,
  adapter: Adapter,
  { rows, batch }: PairBatch,
  temperature = 1,
): Sight {
  const of = completionLogprobs(model, adapter, batch, { temperature }); // each [2P, T]
  const [chosen, rejected] = tf.split(tf.sum(of.logprobs, 1), 2) as [tf.Tensor1D, tf.Tensor1D];
  const sums = (): tf.Tensor1D => {
    const sides = Array.from({ length: 2 * rows.length }, (_, i) => (i < rows.length ? 0 : 1));
    const [named] = tf.split(tf.sum(of.correct(), 1), 2) as [tf.Tensor1D];
    const scalars = tf.stack([tf.sum(of.entropy), tf.sum(named)]); // [2]
    return tf.concat([scalars as tf.Tensor1D, of.logits(sides, 2)]);
  };
  return { logps: { chosen, rejected }, sums };
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
  ({ beta }: { beta: number }, { lengths }: Known, logps: Sides) =>
  (side: keyof Sides, row: number): number =>
    (beta * logps[side][row]!) / lengths[side][row]!;

/** β·log(π/ref): the reward where there is one. */
export const implicitReward =
  ({ beta }: { beta: number }, { reference }: Known, logps: Sides) =>
  (side: keyof Sides, row: number): number =>
    beta * (logps[side][row]! - reference![side][row]!);

/** The log-probabilities of all pairs, without gradients. */
export async function pairLogprobs(
  model: LanguageModel,
  adapter: Adapter,
  pairs: readonly Preference[],
  { temperature = 1, most = Infinity }: { temperature?: number; most?: number } = {},
): Promise<Sides> {
  const told = new ToldRows();
  for (const micro of pairBatches(pairs, model.config.context, pairs.keys(), most)) {
    tf.tidy(() => tellSides(told, micro, seePairs(model, adapter, micro, temperature).logps));
  }
  return sidesOf(await told.read());
}

/** The two sides of pairs as columns, and back. */
export const tellSides = (told: ToldRows, { rows }: PairBatch, { chosen, rejected }: SideTensors): void =>
  told.add(rows, chosen, rejected);
export const sidesOf = ([chosen = [], rejected = []]: readonly number[][]): Sides => ({ chosen, rejected });

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

/** What does not change while the policy learns. */
export interface Known {
  /** Tokens of each completion. */
  lengths: Sides;
  /** The reference's log-probabilities, where there is a reference. */
  reference: Sides | null;
}

/** What a method makes of pairs. */
export interface PairMethod {
  /** What a micro-batch adds to the figures of the batch `rows`: the loss, which is what is minimised, and others. */
  part: (
    micro: PairBatch,
    logps: SideTensors,
    known: Known,
    rows: readonly number[],
  ) => { loss: tf.Scalar } & Record<string, tf.Scalar>;
  /** The implicit reward of a completion, by its side and row. */
  reward: (known: Known, logps: Sides) => (side: keyof Sides, row: number) => number;
}

/** What is seen of pairs, micro-batch by micro-batch, and fetched once. */
class SeenPairs {
  private readonly sums = new ScalarSums();
  private readonly told = new ToldRows();
  private names: string[] = [];

  constructor(
    private readonly method: PairMethod,
    private readonly known: Known,
    private readonly rows: readonly number[],
  ) {}

  /** Looks at a micro-batch; what it adds to the loss. */
  add(micro: PairBatch, { logps, sums }: Sight): tf.Scalar {
    const parts = this.method.part(micro, logps, this.known, this.rows);
    this.names = Object.keys(parts);
    this.sums.add(...Object.values(parts), sums());
    tellSides(this.told, micro, logps);
    return parts.loss;
  }

  async figures(): Promise<Record<string, number>> {
    const { known, rows, names, method } = this;
    const [values, columns] = await Promise.all([this.sums.read(), this.told.read()]);
    const logps = sidesOf(columns);
    const [entropy, named, chosen, rejected] = values.slice(names.length);
    const tokens = (side: keyof Sides): number => sum(rows.map((row) => known.lengths[side][row]!));
    return {
      ...Object.fromEntries(names.map((name, i) => [name, values[i]!])),
      ...sideFigures(rows, logps, method.reward(known, logps)),
      entropy: entropy! / (tokens('chosen') + tokens('rejected')),
      mean_token_accuracy: named! / tokens('chosen'),
      'logits/chosen': chosen! / tokens('chosen'),
      'logits/rejected': rejected! / tokens('rejected'),
    };
  }
}

/** The steps of a method that learns from pairs; `reference` is the policy as it was before, frozen, where it is held to
 *  one. */
export async function* learnFromPairs(
  context: PreferenceContext,
  stage: RowSettings,
  state: TrainState,
  reference: Adapter | null,
  method: PairMethod,
): AsyncGenerator<MetricsRow> {
  const { model, train, heldOut } = context;
  const policy = state.adapters['policy']!;
  const variables = [...policy.variables.values()];
  const knowledge = async (pairs: readonly Preference[]): Promise<Known> => ({
    lengths: completionLengths(pairs),
    reference: reference && (await pairLogprobs(model, reference, pairs)),
  });
  const known = await knowledge(train);
  const knownHeldOut = await knowledge(heldOut);

  const look = async () => {
    const seen = new SeenPairs(method, knownHeldOut, [...heldOut.keys()]);
    for (const micro of pairBatches(heldOut, model.config.context))
      tf.tidy(() => void seen.add(micro, seePairs(model, policy, micro)));
    const told = await seen.figures();
    const figures = {
      eval_loss: told['loss']!,
      'eval_rewards/accuracies': told['rewards/accuracies']!,
      'eval_rewards/margins': told['rewards/margins']!,
    };
    return { figures, score: -figures.eval_loss };
  };

  yield* learnFromRows(context, stage, state, {
    adapter: 'policy',
    lengths: longerSides(train),
    tokens: bothSides(train),
    batch: (rows) => {
      const seen = new SeenPairs(method, known, rows);
      const batches = pairBatches(train, model.config.context, rows, stage.per_device_train_batch_size);
      const grads = gradientsOver(batches, variables, (micro) =>
        seen.add(micro, seePairs(model, policy, micro)),
      );
      return { grads, figures: () => seen.figures() };
    },
    look: heldOut.length === 0 ? null : look,
  });
}
