// Proximal policy optimisation of a language model (Ziegler et al. 2019; Stiennon et al. 2020), step by step as TRL's
// PPOTrainer does it. Policy, reference, reward model and critic are adapters over one frozen base. A yield is one
// update: a batch of completions sampled, scored, and learnt from for a few epochs.
// Unlike TRL's, the metrics leave padding out: objective/entropy and policy/* are over real tokens only.

import type { Sequence } from '../data/batches';
import { microBatches, padded, perToken } from '../data/micro-batches';
import { permutation } from '../engine/random';
import { tf } from '../engine/tf';
import { completionValues } from '../model/heads';
import { completionLogprobs } from '../model/logprobs';
import type { Adapter } from '../model/lora';
import type { Scorable } from '../reward';
import type { RewardModel } from '../reward/learned';
import type { PpoStage } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { adaptKlCoef, follow, gae, scaleScores, whiten } from './advantage';
import { ppoPolicyLoss, ppoValueLoss } from './losses';
import { AdamW, gradientsOver } from './optimizer';
import {
  type Assessed,
  assessEpisodes,
  averages,
  sampleEpisodes,
  type SamplingContext,
  scoreFigures,
} from './rollouts';
import { learningRateAt } from './schedule';
import { deviation, mean, metricsRow, ScalarSums, sum, type TokenNumbers, type TrainState } from './state';
import { numbersOf, tellUpdate } from './updates';

/** Policy and critic before the first update. The critic starts as the reward model, so that its value after the last
 *  token is the score itself; without one it starts as the policy with a head of zeros. */
export async function startPpo(
  stage: PpoStage,
  start: Adapter,
  rewardModel: RewardModel | null,
  width: number,
): Promise<TrainState> {
  const policy = start.clone('policy');
  const weights = rewardModel && (await rewardModel.adapter.head().data()); // [1, C]
  const head = Float32Array.from({ length: width }, (_, c) => (weights ? rewardModel.gain * weights[c]! : 0));
  const critic = (rewardModel?.adapter ?? start).clone('critic', head);
  // The reward's bias is a constant that no linear head can hold: it is added to every value.
  const scalars = { kl_coef: stage.kl_coef, value_bias: rewardModel?.bias ?? 0 };
  const both = new AdamW(ppoVariables(policy, critic));
  return { step: 0, adapters: { policy, critic }, optimizers: { both }, scalars };
}

/** What PPO trains, under one optimizer. */
function ppoVariables(policy: Adapter, critic: Adapter): Map<string, tf.Variable> {
  return new Map([
    ...Array.from(policy.variables, ([name, variable]) => [`policy/${name}`, variable] as const),
    ...Array.from(critic.variables, ([name, variable]) => [`critic/${name}`, variable] as const),
  ]);
}

export async function* ppo(
  context: SamplingContext,
  stage: PpoStage,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  const batchSize = stage.per_device_train_batch_size * stage.gradient_accumulation_steps;
  const miniBatchSize = batchSize / stage.num_mini_batches;
  const totalUpdates = Math.ceil(stage.total_episodes / batchSize);
  while (state.step < totalUpdates) {
    const update = state.step;
    const began = performance.now();
    const experience = await collect(context, stage, state, batchSize);
    const learningRate = learningRateAt(update, totalUpdates, stage);

    const minibatches: Record<string, number>[] = [];
    for (let epoch = 0; epoch < stage.num_ppo_epochs; epoch++) {
      const order = permutation(batchSize, context.seed, context.name, 'minibatches', update, epoch);
      for (let start = 0; start < batchSize; start += miniBatchSize) {
        const rows = order.subarray(start, start + miniBatchSize);
        minibatches.push(await learn(context, stage, state, experience, rows, learningRate));
      }
      const epochKl = mean(minibatches.slice(-stage.num_mini_batches).map((m) => m['policy/approxkl_avg']!));
      if (stage.target_kl !== null && epochKl > stage.target_kl) break;
    }

    state.step = update + 1;
    if (state.step % stage.save_steps === 0) await tellUpdate(context, stage, state, experience);
    if (stage.kl_target !== null) {
      const settings = { target: stage.kl_target, episodes: batchSize, horizon: stage.kl_horizon };
      const kl = experience.metrics['objective/kl']!;
      state.scalars['kl_coef'] = adaptKlCoef(state.scalars['kl_coef']!, kl, settings);
    }
    yield metricsRow(context.name, state.step, {
      ...experience.metrics,
      ...averages(minibatches),
      'val/ratio_var': deviation(minibatches.map((m) => m['val/ratio']!)) ** 2,
      lr: learningRate,
      episode: state.step * batchSize,
      eps: batchSize / ((performance.now() - began) / 1000),
    });
  }
}

/** What PPO makes of completions, whoever they are shown to; rows are episodes, ragged. */
export interface Assessment extends Assessed {
  /** The scores as they count: scaled and cut off, where that is asked for. */
  counted: number[];
  /** Prompt and completion, with one more token where there is room, so that the state after the last token has a value. */
  criticSequences: Sequence[];
  /** At completion tokens: the estimated KL from the reference. */
  kl: Float64Array[];
  /** At completion tokens and, where there is room, one past them. */
  oldValues: Float32Array[];
  rewards: Float64Array[];
  advantages: Float64Array[];
  returns: Float64Array[];
}

/** A batch of them, with advantages as they are learnt from: at completion tokens only, and whitened unless that is off;
 *  and what there is to report. */
export interface Experience extends Assessment {
  episodes: readonly Scorable[];
  whitened: Float64Array[];
  metrics: Record<string, number>;
}

async function collect(
  context: SamplingContext,
  stage: PpoStage,
  state: TrainState,
  batchSize: number,
): Promise<Experience> {
  // 1. One completion of the policy for each prompt of a batch.
  const { response_length: newTokens, temperature } = stage;
  const options = { count: batchSize, group: 1, newTokens, temperature };
  const episodes = await sampleEpisodes(context, state.adapters['policy']!, state.step, options);
  const assessment = await assess(context, stage, state, episodes, true);
  const { finished, counted, kl, oldLogprobs, oldValues, returns } = assessment;

  const klCoef = state.scalars['kl_coef']!;
  const sampledKl = mean(kl.map(sum));
  const metrics: Record<string, number> = {
    'objective/kl': sampledKl,
    'objective/kl_coef': klCoef,
    'objective/entropy': mean(oldLogprobs.map((row) => -sum(row))),
    'objective/non_score_reward': -klCoef * sampledKl,
    'objective/rlhf_reward': mean(counted) - klCoef * sampledKl,
    ...scoreFigures(assessment),
    'val/var_explained': varianceExplained(oldValues, returns),
    'val/num_eos_tokens': finished.filter(Boolean).length,
  };
  metricsRow(context.name, state.step + 1, metrics); // Refuses a score that is no number before anything is learnt from it.
  const advantages = assessment.advantages.map((row, i) => row.subarray(0, kl[i]!.length));
  const whitened = stage.whiten_advantages ? whiten(advantages) : advantages;
  return { ...assessment, episodes, whitened, metrics };
}

/** Log-probabilities, values, score, rewards and advantages of completions, as they are before learning. */
async function assess(
  context: SamplingContext,
  stage: PpoStage,
  state: TrainState,
  episodes: readonly Scorable[],
  learning = false,
): Promise<Assessment> {
  const { model } = context;
  const { response_length, gamma, lam } = stage;
  const { context: length, eosId } = model.config;
  const critic = state.adapters['critic']!;
  const room = episodes.map(
    ({ promptIds, tokens }) => tokens.length < response_length && promptIds.length + tokens.length < length,
  );

  // 2. Log-probabilities under policy and reference, and a score; a completion that did not finish pays for it.
  const assessed = await assessEpisodes(context, state.adapters['policy']!, episodes, stage);
  const { sequences, oldLogprobs, refLogprobs } = assessed;
  if (learning && stage.use_score_scaling) follow(state.scalars, assessed.scores);
  const counted = scaleScores(assessed.scores, state.scalars, stage);

  // 3. Values of the state before each token and, where there is room, of the state after the last.
  const criticSequences = sequences.map(({ ids, promptLength }, i) => ({
    ids: room[i] ? [...ids, eosId ?? 0] : ids,
    promptLength,
  }));
  const most = stage.per_device_train_batch_size;
  const batches = microBatches(criticSequences, length, criticSequences.keys(), most);
  const oldValues = await perToken(batches, (batch) => completionValues(model, critic, batch));

  // 4. Rewards: the KL at every token, and the score one past the last token where there is room.
  const kl = oldLogprobs.map((row, i) =>
    Float64Array.from(row, (logprob, t) => {
      const logr = refLogprobs[i]![t]! - logprob;
      return stage.kl_estimator === 'k1' ? -logr : Math.expm1(logr) - logr;
    }),
  );
  const klCoef = state.scalars['kl_coef']!;
  const rewards = kl.map((nats, i) => {
    const row = Float64Array.from({ length: nats.length + (room[i] ? 1 : 0) }, (_, t) =>
      t < nats.length ? -klCoef * nats[t]! : 0,
    );
    row[row.length - 1]! += counted[i]!;
    return row;
  });

  // 5. Advantages and returns. The values' constant bias leaves the returns as it entered them.
  const bias = state.scalars['value_bias']!;
  const estimates = (stage.whiten_rewards ? whiten(rewards, false) : rewards).map((row, i) =>
    gae(
      row,
      oldValues[i]!.map((value) => value + bias),
      gamma,
      lam,
    ),
  );
  const advantages = estimates.map((row) => row.advantages);
  const returns = estimates.map((row) => row.returns.map((value) => value - bias));
  return { ...assessed, counted, criticSequences, kl, oldValues, rewards, advantages, returns };
}

/** The numbers behind each token of completions, as an update would begin with them. */
export async function explainPpo(
  context: SamplingContext,
  stage: PpoStage,
  state: TrainState,
  episodes: readonly Scorable[],
): Promise<TokenNumbers[]> {
  return numbersOf(await assess(context, stage, state, episodes), state.scalars['value_bias']!);
}

/** 1 - var(R - V) / var(R): 1 where the critic foresaw every return, 0 where the mean does as well. */
function varianceExplained(values: readonly Float32Array[], returns: readonly Float64Array[]): number {
  const all = returns.flatMap((row) => Array.from(row));
  const errors = returns.flatMap((row, i) => Array.from(row, (value, t) => value - values[i]![t]!));
  return 1 - deviation(errors) ** 2 / Math.max(deviation(all) ** 2, 1e-8);
}

/** One minibatch: both losses in micro-batches, then one update of both networks. */
async function learn(
  { model, name }: SamplingContext,
  stage: PpoStage,
  state: TrainState,
  { sequences, criticSequences, oldLogprobs, whitened, oldValues, returns }: Experience,
  rows: Int32Array,
  learningRate: number,
): Promise<Record<string, number>> {
  const { temperature, cliprange, cliprange_value, vf_coef, entropy_coef } = stage;
  const { per_device_train_batch_size: most } = stage;
  const { context } = model.config;
  const policy = state.adapters['policy']!;
  const critic = state.adapters['critic']!;
  const chosen = Array.from(rows);

  // 6. The clipped policy loss.
  const tokens = sum(chosen.map((row) => whitened[row]!.length));
  const options = { temperature, entropyGradient: entropy_coef !== 0 };
  const policySums = new ScalarSums();
  const policyBatches = microBatches(sequences, context, chosen, most);
  const policyGrads = gradientsOver(policyBatches, [...policy.variables.values()], (micro) => {
    const { logprobs, entropy } = completionLogprobs(model, policy, micro.batch, options); // [B, T]
    const { loss, clipfrac, approxkl, ratioExcess } = ppoPolicyLoss(
      logprobs,
      padded(micro, oldLogprobs),
      padded(micro, whitened),
      cliprange,
      tokens,
    );
    const meanEntropy = tf.div<tf.Scalar>(tf.sum(entropy), tokens);
    policySums.add(loss, clipfrac, approxkl, ratioExcess, meanEntropy);
    return entropy_coef === 0 ? loss : tf.sub(loss, tf.mul(meanEntropy, entropy_coef));
  });

  // 7. The clipped value loss.
  const positions = sum(chosen.map((row) => returns[row]!.length));
  const criticSums = new ScalarSums();
  const criticBatches = microBatches(criticSequences, context, chosen, most);
  const criticGrads = gradientsOver(criticBatches, [...critic.variables.values()], (micro) => {
    const values = completionValues(model, critic, micro.batch); // [B, T]
    const { loss, clipfrac } = ppoValueLoss(
      values,
      padded(micro, oldValues),
      padded(micro, returns),
      cliprange_value,
      positions,
    );
    criticSums.add(loss, clipfrac);
    return tf.mul(loss, vf_coef);
  });

  // 8. One update of both, on its way before anything is read back.
  const update = state.optimizers['both']!.update([...policyGrads, ...criticGrads], learningRate, stage);
  const [gradNorm, ofPolicy, ofCritic] = await Promise.all([update, policySums.read(), criticSums.read()]);
  const [policyLoss, policyClipfrac, approxkl, ratioExcess, entropy] = ofPolicy;
  const [valueLoss, valueClipfrac] = ofCritic;
  const metrics = {
    'loss/policy_avg': policyLoss!,
    'loss/value_avg': valueLoss!,
    'policy/approxkl_avg': approxkl!,
    'policy/clipfrac_avg': policyClipfrac!,
    'policy/entropy_avg': entropy!,
    'val/clipfrac_avg': valueClipfrac!,
    'val/ratio': 1 + ratioExcess!,
    grad_norm: gradNorm,
  };
  metricsRow(name, state.step + 1, metrics);
  return metrics;
}
