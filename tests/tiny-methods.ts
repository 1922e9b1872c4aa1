// Every method that trains, on the tiny model with a few rows, as tests of all of them run it: what it is given, and the
// settings it is pinned with (all that change a number, so that a changed formula shows).

import { hash32 } from '../src/engine/random';
import { Adapter } from '../src/model/lora';
import type { LanguageModel } from '../src/model/types';
import type { RewardFunction } from '../src/reward';
import type { StageOf } from '../src/shared/experiment';
import type { MetricsRow } from '../src/shared/protocol';
import { defaultStage } from '../src/shared/validate';
import { dpo } from '../src/train/dpo';
import { grpo } from '../src/train/grpo';
import { kto } from '../src/train/kto';
import { onlineDpo } from '../src/train/online-dpo';
import { orpo } from '../src/train/orpo';
import { ppo, startPpo } from '../src/train/ppo';
import { startPolicy } from '../src/train/rows';
import { pretrain } from '../src/train/pretrain';
import { reinforce } from '../src/train/reinforce';
import { reward, startReward } from '../src/train/reward';
import { rft } from '../src/train/rft';
import { rloo } from '../src/train/rloo';
import { sft } from '../src/train/sft';
import { simpo } from '../src/train/simpo';
import { disposeState, type TrainState } from '../src/train/state';

const LORA = {
  ...{ r: 2, lora_alpha: 4, lora_dropout: 0, use_rslora: false },
  target_modules: ['q_proj', 'v_proj'],
};

/** Pairs whose chosen side is made of even tokens, the rejected of odd ones; lengths differ. */
const pairs = Array.from({ length: 24 }, (_, i) => {
  const prompt = Array.from({ length: 1 + (i % 5) }, (__, t) => 1 + (hash32(i, t) % 9));
  const side = (odd: number, length: number) => ({
    ids: [...prompt, ...Array.from({ length }, (__, t) => 20 + 2 * (hash32(i, t, odd) % 20) + odd), 0],
    promptLength: prompt.length,
  });
  return { chosen: side(0, 2 + (i % 3)), rejected: side(1, 2 + (i % 4)) };
});
const split = <R>(rows: readonly R[]) => ({ heldOut: rows.slice(0, 4), train: rows.slice(4) });
const labelled = pairs.flatMap(({ chosen, rejected }, i) => [
  { ...chosen, label: true },
  ...(i % 3 === 0 ? [] : [{ ...rejected, label: false }]),
]);
const demonstrations = pairs.map(({ chosen }, i) => ({ ...chosen, prompt: `prompt ${i}` }));
const documents = pairs.map((_, line) => ({ text: `document ${line}`, line }));
const tokensOf = (line: number): number[] =>
  Array.from(
    { length: 3 + (hash32(line) % 40) },
    (_, t) => 1 + ((5 * line + (hash32(line, t) % 3) + 7 * t) % 90),
  );
const prompts = pairs.map(({ chosen: { ids, promptLength } }, i) => ({
  text: `prompt ${i}`,
  ids: ids.slice(0, promptLength),
}));
/** Even tokens are good, and so are some completions by themselves. */
const score: RewardFunction = (rows) =>
  Promise.resolve(
    rows.map(
      ({ tokens }) =>
        tokens.filter((id) => id % 2 === 0).length / tokens.length + (hash32(tokens.join()) % 100) / 400,
    ),
  );

const optimizer = {
  learning_rate: 5e-3,
  warmup_steps: 0,
  weight_decay: 0.01,
  per_device_train_batch_size: 8,
};
const rows = { ...optimizer, max_steps: 30, eval_steps: 10 };
const samples = { ...optimizer, total_episodes: 8 * 30, missing_eos_penalty: 0.25 };
const short = { max_completion_length: 5, num_generations: 4 };

export type Changes = Record<string, unknown>;
/** A method's steps and the state they start from, with some settings changed. */
export type TinyMethod = (
  changes?: Changes,
) => Promise<{ state: TrainState; steps: AsyncGenerator<MetricsRow> }>;

/** All of them by name; a name of two words is a method with other settings. The adapter is the caller's to dispose. */
export function tinyMethods(model: LanguageModel): { start: Adapter; methods: Record<string, TinyMethod> } {
  const start = Adapter.create(model, LORA, 1);
  const context = { model, name: 'stage', seed: 3, onSample: () => undefined, reference: start };
  const sampling = { ...context, prompts, reward: score };
  const policy =
    <S>(
      learn: (stage: S, state: TrainState) => AsyncGenerator<MetricsRow>,
      stage: S,
      begin: () => TrainState = () => startPolicy(start),
    ): TinyMethod =>
    (changes) => {
      const state = begin();
      return Promise.resolve({ state, steps: learn({ ...stage, ...changes }, state) });
    };
  const ppoWith =
    (settings: Partial<StageOf<'ppo'>>): TinyMethod =>
    async (changes) => {
      const stage = { ...defaultStage('ppo'), ...samples, response_length: 5, ...settings, ...changes };
      const state = await startPpo(stage, start, null, model.config.width);
      return { state, steps: ppo(sampling, stage, state) };
    };
  const dpoWith = (settings: Partial<StageOf<'dpo'>>) =>
    policy((stage, state) => dpo({ ...context, ...split(pairs) }, stage, state), {
      ...defaultStage('dpo'),
      ...rows,
      ...settings,
    });
  const grpoWith = (settings: Partial<StageOf<'grpo'>>) =>
    policy((stage, state) => grpo(sampling, stage, state), {
      ...defaultStage('grpo'),
      ...samples,
      ...short,
      ...settings,
    });

  const rlooWith = (settings: Partial<StageOf<'rloo'>>) =>
    policy((stage, state) => rloo(sampling, stage, state), {
      ...defaultStage('rloo'),
      ...samples,
      ...short,
      ...settings,
    });

  const methods: Record<string, TinyMethod> = {
    pretrain: policy(
      (stage, state) =>
        pretrain({ ...context, ...split(documents), encode: ({ line }) => tokensOf(line) }, stage, state),
      {
        ...defaultStage('pretrain'),
        ...rows,
        max_length: 24,
        per_device_train_batch_size: 4,
        early_stopping_patience: null,
      },
      () => {
        const whole = Adapter.create(model, { ...LORA, use_peft: false }, 1);
        const state = startPolicy(whole);
        whole.dispose();
        return state;
      },
    ),
    'sft by length': policy((stage, state) => sft({ ...context, ...split(demonstrations) }, stage, state), {
      ...defaultStage('sft'),
      ...rows,
      early_stopping_patience: null,
      curriculum_steps: 20,
    }),
    sft: policy((stage, state) => sft({ ...context, ...split(demonstrations) }, stage, state), {
      ...defaultStage('sft'),
      ...rows,
      early_stopping_patience: null,
    }),
    reward: policy(
      (stage, state) => reward({ ...context, ...split(pairs) }, stage, state),
      { ...defaultStage('reward'), ...rows, center_rewards_coefficient: 0.01 },
      () => startReward(context, start),
    ),
    ppo: ppoWith({ num_ppo_epochs: 1 }),
    'ppo in detail': ppoWith({
      ...{
        num_ppo_epochs: 2,
        num_mini_batches: 2,
        cliprange: 0.05,
        cliprange_value: 0.05,
        gamma: 0.95,
        lam: 0.9,
      },
      ...{
        kl_target: 0.2,
        kl_horizon: 20,
        kl_coef: 0.2,
        whiten_rewards: true,
        missing_eos_trick: 'replace',
      },
      ...{ use_score_scaling: true, use_score_norm: true, score_clip: 1.5, entropy_coef: 0.05 },
      ...{ adam_style: 'tf', adam_epsilon: 5e-3, temperature: 0.8, vf_coef: 0.3 },
    }),
    'ppo k3': ppoWith({ kl_estimator: 'k3', kl_coef: 0.2, whiten_advantages: false }),
    dpo: dpoWith({}),
    'dpo ipo': dpoWith({ loss_type: 'ipo', rpo_alpha: 0.5 }),
    'dpo robust': dpoWith({ loss_type: 'robust', label_smoothing: 0.1 }),
    'dpo hinge': dpoWith({ loss_type: 'hinge' }),
    kto: policy((stage, state) => kto({ ...context, ...split(labelled) }, stage, state), {
      ...defaultStage('kto'),
      ...rows,
      undesirable_weight: 1.5,
    }),
    orpo: policy((stage, state) => orpo({ ...context, ...split(pairs) }, stage, state), {
      ...defaultStage('orpo'),
      ...rows,
    }),
    simpo: policy((stage, state) => simpo({ ...context, ...split(pairs) }, stage, state), {
      ...defaultStage('simpo'),
      ...rows,
      ...{ label_smoothing: 0.1, cpo_alpha: 0.5 },
    }),
    grpo: grpoWith({ num_iterations: 2, epsilon: 0.01 }),
    'grpo sequences': grpoWith({
      ...{ num_iterations: 2, epsilon: 0.005, epsilon_high: 0.01, loss_type: 'grpo', scale_rewards: 'batch' },
      importance_sampling_level: 'sequence',
    }),
    'grpo bnpo': grpoWith({ loss_type: 'bnpo', scale_rewards: 'none' }),
    rloo: rlooWith({ num_iterations: 2, epsilon: 0.02 }),
    'rloo whitened': rlooWith({ normalize_advantages: true, score_clip: 0.6 }),
    reinforce: policy((stage, state) => reinforce(sampling, stage, state), {
      ...{ ...defaultStage('reinforce'), ...samples, ...short },
      baseline: 'moving_average' as const,
    }),
    online_dpo: policy((stage, state) => onlineDpo(sampling, stage, state), {
      ...{ ...defaultStage('online_dpo'), ...samples },
      max_new_tokens: 5,
    }),
    'rft policy': policy((stage, state) => rft(sampling, stage, state), {
      ...{ ...defaultStage('rft'), ...samples, ...short, sample_from: 'policy' as const },
      max_new_tokens: 5,
    }),
    rft: policy((stage, state) => rft(sampling, stage, state), {
      ...{ ...defaultStage('rft'), ...samples, ...short },
      ...{ max_new_tokens: 5, learning_rate: 0.02 },
    }),
  };
  return { start, methods };
}

/** The first `count` rows of a method, numbers that do not depend on the clock. */
export async function firstRows(
  method: TinyMethod,
  count: number,
  changes?: Changes,
  prepare?: (state: TrainState) => void,
): Promise<MetricsRow[]> {
  const { state, steps } = await method(changes);
  prepare?.(state);
  const found: MetricsRow[] = [];
  try {
    while (found.length < count) {
      const next = await steps.next();
      if (next.done) break;
      found.push({ ...next.value, eps: 0 });
    }
  } finally {
    disposeState(state);
  }
  return found;
}
