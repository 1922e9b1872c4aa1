// The reward model: a scalar head on an adapter learns from pairs which completion is preferred (Bradley–Terry), read
// at the last real token. A yield is one optimizer step; `normalise` then brings the scale of its scores to mean 0 and
// deviation 1 on completions of the policy it will judge.

import { batchIndices, joined, roomAfter, type Sequence } from '../data/batches';
import { hash32 } from '../engine/random';
import { tf } from '../engine/tf';
import { generate } from '../model/generate';
import { sequenceScores } from '../model/heads';
import { type Adapter, initialHead } from '../model/lora';
import { rawScores, type RewardModel } from '../reward/learned';
import type { RewardStage } from '../shared/experiment';
import { WRITTEN } from '../shared/memory-formula';
import type { MetricsRow } from '../shared/protocol';
import { pureSampling } from '../shared/sampling';
import { bradleyTerryLoss } from './losses';
import { AdamW, gradientsOver } from './optimizer';
import {
  bothSides,
  longerSides,
  pairBatches,
  type PreferenceContext,
  type Sides,
  sidesOf,
  tellSides,
} from './preference';
import { learnFromRows } from './rows';
import { deviation, mean, ScalarSums, type StageContext, ToldRows, type TrainState } from './state';

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
  const variables = [...adapter.variables.values()];
  const { center_rewards_coefficient: centering, per_device_train_batch_size: most } = stage;
  yield* learnFromRows(context, stage, state, {
    adapter: 'reward',
    lengths: longerSides(train),
    tokens: bothSides(train),
    // What is common to the comparisons of a prompt is computed once: they meet in a batch (Ouyang et al. 2022, §3.5).
    keys: train.map(({ chosen: { ids, promptLength } }, row) => ids.slice(0, promptLength).join() || row),
    batch: (rows, step) => {
      const [sums, told] = [new ScalarSums(), new ToldRows()];
      const batches = pairBatches(train, model.config.context, rows, most);
      const grads = gradientsOver(batches, variables, (micro, m) => {
        const dropout = hash32(seed, name, 'dropout', step, m);
        const scores = sequenceScores(model, adapter, micro.batch, dropout); // [2P]
        const [chosen, rejected] = tf.split(scores, 2) as [tf.Tensor1D, tf.Tensor1D]; // [P], [P]
        const margin = tf.tensor1d(micro.rows.map((row) => train[row]!.margin ?? 0)); // [P]
        const loss = bradleyTerryLoss(chosen, rejected, { margin, centering, pairs: rows.length });
        sums.add(loss);
        tellSides(told, micro, { chosen, rejected });
        return loss;
      });
      const figures = async () => {
        const [[loss], columns] = await Promise.all([sums.read(), told.read()]);
        return { loss: loss!, ...scoreFigures(rows, sidesOf(columns)) };
      };
      return { grads, figures };
    },
    look:
      heldOut.length === 0
        ? null
        : async () => {
            const figures = pairMetrics(
              await scorePairs(context, adapter),
              heldOut.map(({ margin }) => margin ?? 0),
            );
            return { figures, score: -figures.eval_loss };
          },
  });
}

/** TRL's figures of a training batch. */
function scoreFigures(rows: readonly number[], scores: Sides) {
  const chosen = rows.map((row) => scores.chosen[row]!);
  const rejected = rows.map((row) => scores.rejected[row]!);
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

/** Held-out figures of margins (chosen minus rejected); `asked` is by how much each was to lead. The calibration error
 *  (ECE) compares the confidence σ(|margin|) with how often the model was right, in ten bins from ½ to 1. */
export function pairMetrics(margins: readonly number[], asked: readonly number[] = margins.map(() => 0)) {
  const bins = Array.from({ length: 10 }, () => ({ right: 0, confidence: 0 }));
  for (const margin of margins) {
    const confidence = 1 / (1 + Math.exp(-Math.abs(margin)));
    const bin = bins[Math.min(9, Math.floor((confidence - 0.5) * 20))]!;
    bin.confidence += confidence;
    if (margin > 0) bin.right++;
  }
  return {
    eval_loss: mean(
      margins.map((margin, i) => {
        const delta = margin - asked[i]!;
        return Math.log1p(Math.exp(-Math.abs(delta))) + Math.max(0, -delta);
      }),
    ),
    eval_accuracy: mean(margins.map((margin) => Number(margin > 0))),
    eval_margin: mean(margins),
    eval_calibration_error:
      bins.reduce((error, { right, confidence }) => error + Math.abs(right - confidence), 0) / margins.length,
  };
}

/** The trained model with gain and bias such that completions of the policy it will judge score mean 0 and deviation 1. */
export async function normalise(
  context: PreferenceContext,
  adapter: Adapter,
  policy: Adapter,
  samples: number,
): Promise<RewardModel> {
  const scores = await rawScores(context.model, adapter, await references(context, policy, samples));
  const gain = 1 / Math.max(deviation(scores), 1e-6);
  return { adapter, gain, bias: -gain * mean(scores) };
}

/** One completion of `policy` for each of up to `samples` training prompts. Where texts part at once and leave nothing to
 *  complete, the pairs themselves are all there is to know what will be judged. */
export async function references(
  { model, name, seed, train }: PreferenceContext,
  policy: Adapter,
  samples: number,
): Promise<Sequence[]> {
  const sides = train.flatMap(({ chosen, rejected }) => [chosen, rejected]);
  const asked = train.filter(({ chosen }) => chosen.promptLength > 0);
  const draw = <T>(rows: readonly T[]): T[] =>
    batchIndices(rows.length, samples, 0, seed, `${name} reference`).map((row) => rows[row]!);
  if (asked.length === 0) return draw(sides);
  const prompts = draw(asked).map(({ chosen: { ids, promptLength } }) => ids.slice(0, promptLength));
  const longest = Math.max(...sides.map(({ ids, promptLength }) => ids.length - promptLength));
  const lengths = prompts.map(({ length }) => length);
  const maxNewTokens = roomAfter(lengths, longest, model.config.context);
  const sequences: Sequence[] = [];
  for (let start = 0; start < prompts.length; start += WRITTEN) {
    const some = prompts.slice(start, start + WRITTEN);
    const { tokens } = await generate(model, policy, some, {
      ...pureSampling({ maxNewTokens, seed: hash32(seed, name, 'reference') }),
      streams: some.map((_, i) => start + i),
    });
    tokens.forEach((ids, i) => sequences.push(joined(some[i]!, ids)));
  }
  return sequences;
}
