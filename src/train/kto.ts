// Kahneman–Tversky optimisation (Ethayarajh et al. 2024): completions that are each known to be good or bad, no pairs.
// The implicit reward β·log(π/ref) of a good one is to lie above the present KL from the reference, that of a bad one
// below it, and like people's sense of gain and loss the push fades far from that point. A yield is one optimizer step.

import type { Sequence } from '../data/batches';
import { type MicroBatch, microBatches } from '../data/micro-batches';
import { tf } from '../engine/tf';
import type { Adapter } from '../model/lora';
import { completionLogprobs } from '../model/logprobs';
import type { StageOf } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { gradientsOver } from './optimizer';
import { learnFromRows } from './rows';
import { mean, ScalarSums, type StageContext, sum, ToldRows, type TrainState } from './state';

/** A completion and whether it is a good one. */
export interface Labelled extends Sequence {
  label: boolean;
}

export interface KtoContext extends StageContext {
  train: readonly Labelled[];
  heldOut: readonly Labelled[];
  /** The policy as it was before this stage, frozen. */
  reference: Adapter;
}

type KtoSettings = Pick<StageOf<'kto'>, 'beta' | 'desirable_weight' | 'undesirable_weight'>;

/** The sum of the losses of B completions: weight · (1 − σ(±β(log(π/ref) − kl))), + for good ones. `logRatios` [B] */
export function ktoLoss(
  logRatios: tf.Tensor1D,
  labels: readonly boolean[],
  kl: number,
  { beta, desirable_weight, undesirable_weight }: KtoSettings,
): tf.Scalar {
  const signs = tf.tensor1d(labels.map((label) => (label ? beta : -beta))); // [B]
  const weights = tf.tensor1d(labels.map((label) => (label ? desirable_weight : undesirable_weight))); // [B]
  const value = tf.sigmoid(tf.mul(tf.sub(logRatios, kl), signs)); // [B]
  return tf.sum(tf.mul(tf.sub(1, value), weights));
}

export async function* kto(
  context: KtoContext,
  stage: StageOf<'kto'>,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  const { model, train, heldOut, reference } = context;
  const policy = state.adapters['policy']!;
  const variables = [...policy.variables.values()];
  const refLogps = await rowLogprobs(context, reference, train);
  const refHeldOut = await rowLogprobs(context, reference, heldOut);
  const lengths = train.map(({ ids }) => ids.length);

  yield* learnFromRows(context, stage, state, {
    adapter: 'policy',
    lengths,
    tokens: lengths,
    batch: async (rows) => {
      const some = rows.map((row) => train[row]!);
      const kl = await mismatchedKl(context, policy, some);
      const [sums, told] = [new ScalarSums(), new ToldRows()];
      const batches = microBatches(train, model.config.context, rows, stage.per_device_train_batch_size);
      const grads = gradientsOver(batches, variables, (micro) => {
        const of = completionLogprobs(model, policy, micro.batch, { temperature: 1 }); // each [B, T]
        const logps = tf.sum<tf.Tensor1D>(of.logprobs, 1); // [B]
        const ref = tf.tensor1d(micro.rows.map((row) => refLogps[row]!)); // [B]
        const labels = micro.rows.map((row) => train[row]!.label);
        const loss = tf.div<tf.Scalar>(ktoLoss(tf.sub(logps, ref), labels, kl, stage), rows.length);
        sums.add(loss, tf.sum(of.entropy), of.logits(labels.map(Number), 2));
        told.add(micro.rows, logps);
        return loss;
      });
      const figures = async () => {
        const [values, [logps]] = await Promise.all([sums.read(), told.read()]);
        const [loss, entropy, badLogits, goodLogits] = values;
        return {
          loss: loss!,
          kl,
          ...labelFigures(rows, train, logps!, refLogps, stage.beta),
          entropy: entropy! / tokensOf(some),
          ...logitFigures(some, goodLogits!, badLogits!),
        };
      };
      return { grads, figures };
    },
    look: heldOut.length === 0 ? null : () => look(context, stage, policy, refHeldOut),
  });
}

/** Tokens of some completions. */
const tokensOf = (rows: readonly Labelled[]): number =>
  sum(rows.map(({ ids, promptLength }) => ids.length - promptLength));

/** TRL's mean raw logits, of the sides that a batch has, from their sums over tokens. */
function logitFigures(rows: readonly Labelled[], good: number, bad: number): Record<string, number> {
  const [chosen, rejected] = [true, false].map((side) =>
    tokensOf(rows.filter(({ label }) => label === side)),
  );
  return {
    ...(chosen! > 0 && { 'logits/chosen': good / chosen! }),
    ...(rejected! > 0 && { 'logits/rejected': bad / rejected! }),
  };
}

/** The log-probability of each completion, the sum over its tokens, without gradients. */
async function rowLogprobs(
  { model }: KtoContext,
  adapter: Adapter,
  rows: readonly Sequence[],
): Promise<number[]> {
  const told = new ToldRows();
  for (const micro of microBatches(rows, model.config.context))
    tf.tidy(() => told.add(micro.rows, completionLogp(model, adapter, micro)));
  const [logps = []] = await told.read();
  return logps;
}

/** The same of a micro-batch, [B]. Differentiable; call inside a tidy. */
function completionLogp(model: KtoContext['model'], adapter: Adapter, { batch }: MicroBatch): tf.Tensor1D {
  return tf.sum(completionLogprobs(model, adapter, batch, { temperature: 1 }).logprobs, 1);
}

/** Every prompt with the completion of the next row that has another prompt; of the next row where there is no other. */
export function mismatched(rows: readonly Sequence[]): Sequence[] {
  const prompts = rows.map(({ ids, promptLength }) => ids.slice(0, promptLength));
  const keys = prompts.map((prompt) => prompt.join());
  return prompts.map((prompt, i) => {
    const after = rows.map((_, k) => (i + 1 + k) % rows.length);
    const other = rows[after.find((j) => keys[j] !== keys[i]) ?? after[0]!]!;
    return { ids: [...prompt, ...other.ids.slice(other.promptLength)], promptLength: prompt.length };
  });
}

/** Where gain and loss part: how far the policy has moved on completions that do not belong to their prompts, each
 *  prompt of the batch with the completion of the next that has another one, the mean of log(π/ref), at least 0. */
async function mismatchedKl(
  context: KtoContext,
  policy: Adapter,
  rows: readonly Labelled[],
): Promise<number> {
  const crossed = mismatched(rows).map(({ ids, promptLength }) => ({
    ids: ids.slice(0, context.model.config.context),
    promptLength,
  }));
  const own = await rowLogprobs(context, policy, crossed);
  const ref = await rowLogprobs(context, context.reference, crossed);
  return Math.max(0, mean(own.map((logp, i) => logp - ref[i]!)));
}

/** TRL's figures of good ("chosen") and bad ("rejected") rows, as far as the batch has them. */
function labelFigures(
  rows: readonly number[],
  data: readonly Labelled[],
  logps: readonly number[],
  refLogps: readonly number[],
  beta: number,
): Record<string, number> {
  const sides = [
    { side: 'chosen', of: rows.filter((row) => data[row]!.label) },
    { side: 'rejected', of: rows.filter((row) => !data[row]!.label) },
  ].filter(({ of }) => of.length > 0);
  const told = sides.flatMap(({ side, of }) => [
    [`rewards/${side}`, mean(of.map((row) => beta * (logps[row]! - refLogps[row]!)))] as const,
    [`logps/${side}`, mean(of.map((row) => logps[row]!))] as const,
  ]);
  const all = Object.fromEntries(told);
  const margin = (all['rewards/chosen'] ?? NaN) - (all['rewards/rejected'] ?? NaN);
  return sides.length === 2 ? { ...all, 'rewards/margins': margin } : all;
}

/** The loss on held-out completions, and how far good and bad ones lie apart. */
async function look(
  context: KtoContext,
  stage: StageOf<'kto'>,
  policy: Adapter,
  refLogps: readonly number[],
): Promise<{ figures: Record<string, number>; score: number }> {
  const { heldOut } = context;
  const kl = await mismatchedKl(context, policy, heldOut);
  const logps = await rowLogprobs(context, policy, heldOut);
  const ratios = logps.map((logp, i) => logp - refLogps[i]!);
  const labels = heldOut.map(({ label }) => label);
  const loss = tf.tidy(() => ktoLoss(tf.tensor1d(ratios), labels, kl, stage));
  const evalLoss = (await loss.data())[0]! / heldOut.length;
  loss.dispose();
  const all = [...heldOut.keys()];
  const margin = labelFigures(all, heldOut, logps, refLogps, stage.beta)['rewards/margins'];
  return {
    figures: { eval_loss: evalLoss, ...(margin !== undefined && { 'eval_rewards/margins': margin }) },
    score: -evalLoss,
  };
}
