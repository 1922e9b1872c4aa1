// Kahneman–Tversky optimisation (Ethayarajh et al. 2024): completions that are each known to be good or bad, no pairs.
// The implicit reward β·log(π/ref) of a good one is to lie above the present KL from the reference, that of a bad one
// below it, and like people's sense of gain and loss the push fades far from that point. A yield is one optimizer step.

import { batchIndices, type Sequence } from '../data/batches';
import { type MicroBatch, microBatches } from '../data/micro-batches';
import { tf } from '../engine/tf';
import type { Adapter } from '../model/lora';
import { completionLogprobs } from '../model/logprobs';
import type { StageOf } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { accumulateGradients } from './optimizer';
import { learningRateAt } from './schedule';
import {
  keepBest,
  mean,
  metricsRow,
  outOfPatience,
  ScalarSums,
  type StageContext,
  sum,
  type TrainState,
} from './state';

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
  const { model, name, seed, train, heldOut, reference } = context;
  const policy = state.adapters['policy']!;
  const optimizer = state.optimizers['policy']!;
  const variables = [...policy.variables.values()];
  const batchSize = stage.per_device_train_batch_size * stage.gradient_accumulation_steps;
  const grouped = stage.group_by_length ? train.map(({ ids }) => ids.length) : undefined;
  const refLogps = await rowLogprobs(context, reference, train);
  const refHeldOut = await rowLogprobs(context, reference, heldOut);

  while (state.step < stage.max_steps && !outOfPatience(state, stage.early_stopping_patience)) {
    const step = state.step;
    const rows = batchIndices(train.length, batchSize, step, seed, name, grouped);
    const kl = await mismatchedKl(
      context,
      policy,
      rows.map((row) => train[row]!),
    );
    const told: { micro: MicroBatch; logps: tf.Tensor }[] = [];
    const sums = new ScalarSums();
    let grads: tf.Tensor[] | null = null;
    for (const micro of microBatches(train, model.config.context, rows)) {
      const batchLoss = (): tf.Scalar => {
        const logps = completionLogp(model, policy, micro); // [B]
        const ref = tf.tensor1d(micro.rows.map((row) => refLogps[row]!)); // [B]
        const labels = micro.rows.map((row) => train[row]!.label);
        const loss = tf.div<tf.Scalar>(ktoLoss(tf.sub(logps, ref), labels, kl, stage), batchSize);
        sums.add(loss);
        told.push({ micro, logps: tf.keep(logps) });
        return loss;
      };
      grads = accumulateGradients(batchLoss, variables, grads);
    }
    const learningRate = learningRateAt(step, stage.max_steps, stage);
    const [loss] = await sums.read();
    const logps = await readRows(told);
    const gradNorm = await optimizer.update(grads ?? [], learningRate, stage);

    state.step = step + 1;
    const read = sum(rows.map((row) => train[row]!.ids.length));
    state.scalars['num_tokens'] = (state.scalars['num_tokens'] ?? 0) + read;
    const metrics: Record<string, number> = {
      loss: loss!,
      kl,
      ...figures(rows, train, logps, refLogps, stage.beta),
      grad_norm: gradNorm,
      learning_rate: learningRate,
      num_tokens: state.scalars['num_tokens'],
      epoch: (state.step * batchSize) / train.length,
    };
    metricsRow(name, state.step, metrics);
    if (heldOut.length > 0 && (state.step % stage.eval_steps === 0 || state.step === stage.max_steps)) {
      const looked = await look(context, stage, policy, refHeldOut);
      Object.assign(metrics, looked);
      keepBest(state, policy, -looked.eval_loss, stage.early_stopping_patience);
    }
    yield metricsRow(name, state.step, metrics);
  }
}

/** The log-probability of each completion, the sum over its tokens, without gradients. */
async function rowLogprobs(
  { model }: KtoContext,
  adapter: Adapter,
  rows: readonly Sequence[],
): Promise<number[]> {
  const told = microBatches(rows, model.config.context).map((micro) => ({
    micro,
    logps: tf.tidy(() => completionLogp(model, adapter, micro)),
  }));
  return readRows(told);
}

/** The same of a micro-batch, [B]. Differentiable; call inside a tidy. */
function completionLogp(model: KtoContext['model'], adapter: Adapter, { batch }: MicroBatch): tf.Tensor1D {
  return tf.sum(completionLogprobs(model, adapter, batch, { temperature: 1 }).logprobs, 1);
}

/** Where gain and loss part: how far the policy has moved on completions that do not belong to their prompts, each
 *  prompt of the batch with the completion of the next, the mean of log(π/ref), at least 0. */
async function mismatchedKl(
  context: KtoContext,
  policy: Adapter,
  rows: readonly Labelled[],
): Promise<number> {
  const crossed = rows.map(({ ids, promptLength }, i) => {
    const other = rows[(i + 1) % rows.length]!;
    const joined = [...ids.slice(0, promptLength), ...other.ids.slice(other.promptLength)];
    return { ids: joined.slice(0, context.model.config.context), promptLength };
  });
  const own = await rowLogprobs(context, policy, crossed);
  const ref = await rowLogprobs(context, context.reference, crossed);
  return Math.max(0, mean(own.map((logp, i) => logp - ref[i]!)));
}

/** Values [B] told by micro-batches, by row; disposes them. */
async function readRows(told: readonly { micro: MicroBatch; logps: tf.Tensor }[]): Promise<number[]> {
  const values: number[] = [];
  for (const { micro, logps } of told) {
    const read = await logps.data();
    logps.dispose();
    micro.rows.forEach((row, b) => (values[row] = read[b]!));
  }
  return values;
}

/** TRL's figures of good ("chosen") and bad ("rejected") rows, as far as the batch has them. */
function figures(
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
): Promise<{ eval_loss: number; 'eval_rewards/margins'?: number }> {
  const { heldOut } = context;
  const kl = await mismatchedKl(context, policy, heldOut);
  const logps = await rowLogprobs(context, policy, heldOut);
  const ratios = logps.map((logp, i) => logp - refLogps[i]!);
  const labels = heldOut.map(({ label }) => label);
  const loss = tf.tidy(() => ktoLoss(tf.tensor1d(ratios), labels, kl, stage));
  const total = (await loss.data())[0]!;
  loss.dispose();
  const margin = figures([...heldOut.keys()], heldOut, logps, refLogps, stage.beta)['rewards/margins'];
  return {
    eval_loss: total / heldOut.length,
    ...(margin !== undefined && { 'eval_rewards/margins': margin }),
  };
}
