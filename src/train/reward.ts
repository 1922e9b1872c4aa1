// The reward model: a scalar head on an adapter learns from pairs which completion is preferred (Bradley–Terry), read
// at the last real token. A yield is one optimizer step; `normalise` then brings the scale of its scores to mean 0 and
// deviation 1 on completions of the policy it will judge.

import { batchIndices, collate, joined, type Sequence } from '../data/batches';
import { chunks } from '../data/micro-batches';
import { hash32 } from '../engine/random';
import { tf } from '../engine/tf';
import { generate } from '../model/generate';
import { sequenceScores } from '../model/heads';
import { type Adapter, initialHead } from '../model/lora';
import { rawScores, type RewardModel } from '../reward/learned';
import type { RewardStage } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { bradleyTerryLoss } from './losses';
import { accumulateGradients, AdamW } from './optimizer';
import type { PreferenceContext } from './preference';
import { learningRateAt } from './schedule';
import {
  deviation,
  keepBest,
  mean,
  metricsRow,
  outOfPatience,
  ScalarSums,
  type StageContext,
  sum,
  type TrainState,
} from './state';

/** The policy's adapter with a new head, N(0, 1/(C + 1)). */
export function startReward({ model, name, seed }: StageContext, start: Adapter): TrainState {
  const reward = start.clone('reward', initialHead(model, hash32(seed, name)).values);
  return { step: 0, adapters: { reward }, optimizers: { reward: new AdamW(reward.variables) }, scalars: {} };
}

export async function* reward(
  context: PreferenceContext,
  stage: RewardStage,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  const { model, name, seed, train, heldOut } = context;
  const adapter = state.adapters['reward']!;
  const optimizer = state.optimizers['reward']!;
  const variables = [...adapter.variables.values()];
  const batchSize = stage.per_device_train_batch_size * stage.gradient_accumulation_steps;
  const lengths = train.map(({ chosen, rejected }) => Math.max(chosen.ids.length, rejected.ids.length));

  while (state.step < stage.max_steps && !outOfPatience(state, stage.early_stopping_patience)) {
    const step = state.step;
    const grouped = stage.group_by_length ? lengths : undefined;
    const rows = batchIndices(train.length, batchSize, step, seed, name, grouped);
    const sums = new ScalarSums();
    const scores: { chosen: tf.Tensor; rejected: tf.Tensor }[] = [];
    let grads: tf.Tensor[] | null = null;
    for (const [m, some] of chunks(rows, (row) => lengths[row]!, model.config.context, 2).entries()) {
      const pairs = some.map((row) => train[row]!);
      const batch = collate(
        [...pairs.map(({ chosen }) => chosen), ...pairs.map(({ rejected }) => rejected)],
        model.config.context,
      );
      const batchLoss = (): tf.Scalar => {
        const dropout = hash32(seed, name, 'dropout', step, m);
        const [chosen, rejected] = tf.split(sequenceScores(model, adapter, batch, dropout), 2) as [
          tf.Tensor1D, // [P]
          tf.Tensor1D, // [P]
        ];
        const centering = stage.center_rewards_coefficient;
        const loss = bradleyTerryLoss(chosen, rejected, { centering, pairs: batchSize });
        sums.add(loss);
        scores.push({ chosen: tf.keep(chosen), rejected: tf.keep(rejected) });
        return loss;
      };
      grads = accumulateGradients(batchLoss, variables, grads);
    }
    const learningRate = learningRateAt(step, stage.max_steps, stage);
    const [loss] = await sums.read();
    const gradNorm = await optimizer.update(grads ?? [], learningRate, stage);

    state.step = step + 1;
    const read = sum(rows.map((row) => train[row]!.chosen.ids.length + train[row]!.rejected.ids.length));
    state.scalars['num_tokens'] = (state.scalars['num_tokens'] ?? 0) + read;
    const metrics: Record<string, number> = {
      loss: loss!,
      ...(await scoreMetrics(scores)),
      grad_norm: gradNorm,
      learning_rate: learningRate,
      num_tokens: state.scalars['num_tokens'],
      epoch: (state.step * batchSize) / train.length,
    };
    metricsRow(name, state.step, metrics);
    if (heldOut.length > 0 && (state.step % stage.eval_steps === 0 || state.step === stage.max_steps)) {
      const looked = pairMetrics(await scorePairs(context, adapter));
      Object.assign(metrics, looked);
      keepBest(state, adapter, -looked.eval_loss, stage.early_stopping_patience);
    }
    yield metricsRow(name, state.step, metrics);
  }
}

/** TRL's figures of a training batch. */
async function scoreMetrics(scores: { chosen: tf.Tensor; rejected: tf.Tensor }[]) {
  const read = async (tensor: tf.Tensor): Promise<number[]> => Array.from(await tensor.data());
  const chosen = (await Promise.all(scores.map((some) => read(some.chosen)))).flat();
  const rejected = (await Promise.all(scores.map((some) => read(some.rejected)))).flat();
  tf.dispose(scores);
  const all = [...chosen, ...rejected];
  return {
    accuracy: mean(chosen.map((score, i) => Number(score > rejected[i]!))),
    margin: mean(chosen.map((score, i) => score - rejected[i]!)),
    min_reward: Math.min(...all),
    mean_reward: mean(all),
    max_reward: Math.max(...all),
  };
}

/** How much higher the chosen completion of each held-out pair scores than the rejected one. */
export async function scorePairs({ model, heldOut }: PreferenceContext, adapter: Adapter): Promise<number[]> {
  const sequences = heldOut.flatMap(({ chosen, rejected }) => [chosen, rejected]);
  const scores = await rawScores(model, adapter, sequences);
  return heldOut.map((_, i) => scores[2 * i]! - scores[2 * i + 1]!);
}

/** Held-out figures of margins (chosen minus rejected). The calibration error (ECE) compares the confidence
 *  σ(|margin|) with how often the model was right, in ten bins from ½ to 1. */
export function pairMetrics(margins: readonly number[]) {
  const bins = Array.from({ length: 10 }, () => ({ right: 0, confidence: 0 }));
  for (const margin of margins) {
    const confidence = 1 / (1 + Math.exp(-Math.abs(margin)));
    const bin = bins[Math.min(9, Math.floor((confidence - 0.5) * 20))]!;
    bin.confidence += confidence;
    if (margin > 0) bin.right++;
  }
  return {
    eval_loss: mean(margins.map((margin) => Math.log1p(Math.exp(-Math.abs(margin))) + Math.max(0, -margin))),
    eval_accuracy: mean(margins.map((margin) => Number(margin > 0))),
    eval_margin: mean(margins),
    eval_calibration_error:
      bins.reduce((error, { right, confidence }) => error + Math.abs(right - confidence), 0) / margins.length,
  };
}

/** The trained model with gain and bias such that one completion of `policy` for each of up to `samples` training
 *  prompts scores mean 0 and deviation 1. */
export async function normalise(
  { model, name, seed, train }: PreferenceContext,
  adapter: Adapter,
  policy: Adapter,
  samples: number,
): Promise<RewardModel> {
  const prompts = batchIndices(train.length, samples, 0, seed, `${name} reference`).map((row) => {
    const { ids, promptLength } = train[row]!.chosen;
    return ids.slice(0, promptLength);
  });
  const sides = train.flatMap(({ chosen, rejected }) => [chosen, rejected]);
  const longest = Math.max(...sides.map(({ ids, promptLength }) => ids.length - promptLength));
  const left = model.config.context - Math.max(...prompts.map(({ length }) => length));
  const sequences: Sequence[] = [];
  for (let start = 0; start < prompts.length; start += 64) {
    const some = prompts.slice(start, start + 64);
    const { tokens } = await generate(model, policy, some, {
      maxNewTokens: Math.min(longest, left),
      minNewTokens: 0,
      temperature: 1,
      topK: 0,
      topP: 1,
      seed: hash32(seed, name, 'reference'),
      streams: some.map((_, i) => start + i),
    });
    tokens.forEach((ids, i) => sequences.push(joined(some[i]!, ids)));
  }
  const scores = await rawScores(model, adapter, sequences);
  const gain = 1 / Math.max(deviation(scores), 1e-6);
  return { adapter, gain, bias: -gain * mean(scores) };
}
