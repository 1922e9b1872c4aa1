import { describe, expect, test } from 'vitest';
import pinned from '../../tests/fixtures/trajectories.json';
import { canBeSet } from './advice';
import { methodOf, STAGE_KINDS, type StageKind } from './methods';
import { metricOf, METRICS } from './metrics';
import { SETTINGS } from './settings';

const names = (stage: StageKind): string[] => methodOf(stage).metrics.map(({ name }) => name);

describe('the table', () => {
  test.each(METRICS.map((metric) => [`${metric.stages.join('+')} ${metric.name}`, metric] as const))(
    '%s is explained, and what it says to try exists',
    (_, { tells, bad, label, healthy, try: keys }) => {
      expect(tells).toMatch(/^[A-Za-zβ].{15,140}[.]$/);
      expect(bad).toMatch(/^[A-Z].{8,140}\.$/);
      expect(label.length).toBeLessThanOrEqual(24);
      expect(new Set(keys).size).toBe(keys.length);
      for (const key of keys) expect(SETTINGS).toHaveProperty(key);
      if (healthy) expect(healthy.min ?? -Infinity).toBeLessThan(healthy.max ?? Infinity);
    },
  );

  test.each(STAGE_KINDS)('says one thing about a metric of %s', (kind) => {
    expect(new Set(names(kind)).size).toBe(names(kind).length);
  });

  test.each(STAGE_KINDS)('what it says to try about %s can be set there, and there is something', (kind) => {
    for (const { name, try: all } of methodOf(kind).metrics) {
      const keys = metricOf(kind, name)!.try;
      expect(keys.filter((key) => !canBeSet(key, kind))).toEqual([]);
      expect([name, keys.length > 0]).toEqual([name, all.length > 0]);
    }
  });
});

/** TRL 1.10-dev's names, by its trainers' `_metrics` and `stats`; `/…/` stands for the name of the reward. TRL's
 *  `step_time` is `seconds`, which every row of a run has; `entropy_coef` and what belongs to it ours has not. */
const TRL: Partial<Record<StageKind, string>> = {
  sft: 'epoch num_tokens loss entropy mean_token_accuracy learning_rate grad_norm eval_loss',
  reward:
    'epoch num_tokens loss accuracy margin min_reward mean_reward max_reward learning_rate grad_norm eval_loss ' +
    'eval_accuracy eval_margin',
  ppo:
    'eps objective/kl objective/entropy objective/non_score_reward objective/rlhf_reward objective/scores ' +
    'policy/approxkl_avg policy/clipfrac_avg loss/policy_avg loss/value_avg val/clipfrac_avg policy/entropy_avg ' +
    'val/ratio val/ratio_var val/num_eos_tokens lr episode',
  dpo:
    'epoch num_tokens loss entropy mean_token_accuracy learning_rate grad_norm logits/chosen logits/rejected ' +
    'logps/chosen logps/rejected rewards/chosen rewards/rejected rewards/margins rewards/accuracies eval_loss ' +
    'eval_rewards/margins eval_rewards/accuracies',
  kto:
    'epoch num_tokens loss entropy kl learning_rate grad_norm logits/chosen logits/rejected logps/chosen ' +
    'logps/rejected rewards/chosen rewards/rejected rewards/margins eval_loss eval_rewards/margins',
  orpo:
    'epoch loss learning_rate grad_norm rewards/chosen rewards/rejected rewards/accuracies rewards/margins ' +
    'logps/chosen logps/rejected logits/chosen logits/rejected nll_loss log_odds_ratio log_odds_chosen',
  simpo:
    'epoch loss learning_rate grad_norm rewards/chosen rewards/rejected rewards/accuracies rewards/margins ' +
    'logps/chosen logps/rejected logits/chosen logits/rejected nll_loss',
  grpo:
    'num_tokens completions/mean_length completions/min_length completions/max_length ' +
    'completions/mean_terminated_length completions/min_terminated_length completions/max_terminated_length ' +
    'completions/clipped_ratio rewards/*/mean rewards/*/std reward reward_std frac_reward_zero_std policy_loss loss ' +
    'entropy kl clip_ratio/low_mean clip_ratio/low_min clip_ratio/high_mean clip_ratio/high_max ' +
    'clip_ratio/region_mean learning_rate grad_norm',
  rloo:
    'num_tokens completions/mean_length completions/min_length completions/max_length ' +
    'completions/mean_terminated_length completions/min_terminated_length completions/max_terminated_length ' +
    'completions/clipped_ratio rewards/*/mean rewards/*/std reward reward_std frac_reward_zero_std loss entropy kl ' +
    'clip_ratio/low_mean clip_ratio/low_min clip_ratio/high_mean clip_ratio/high_max clip_ratio/region_mean ' +
    'learning_rate grad_norm',
  online_dpo:
    'objective/kl objective/entropy objective/non_score_reward objective/rlhf_reward objective/scores ' +
    'objective/scores_margin rewards/chosen rewards/rejected rewards/accuracies rewards/margins logps/chosen ' +
    'logps/rejected val/contain_eos_token beta loss learning_rate grad_norm',
};

test.each(Object.entries(TRL) as [StageKind, string][])(
  '%s logs all that TRL does, under its names',
  (kind, all) => {
    expect(names(kind)).toEqual(expect.arrayContaining(all.split(' ')));
  },
);

test.each(STAGE_KINDS.filter((kind) => methodOf(kind).trl !== null && kind !== 'pretrain'))(
  'TRL’s list of %s is written down here',
  (kind) => {
    expect(TRL).toHaveProperty(kind);
  },
);

describe('the table and what is logged', () => {
  // Thirty steps of each method, with several settings, pinned as it logs them (src/train/trajectories.test.ts).
  const logged = (kind: StageKind): string[] => {
    const own = Object.entries(pinned as Record<string, object>).filter(
      ([name]) => name.split(' ')[0] === kind,
    );
    return [...new Set(own.flatMap(([, columns]) => Object.keys(columns)))];
  };

  test.each(STAGE_KINDS.filter((kind) => methodOf(kind).leaves !== undefined))(
    '%s logs what the table has',
    (kind) => {
      expect(logged(kind).length).toBeGreaterThan(5);
      expect(logged(kind).filter((name) => !metricOf(kind, name))).toEqual([]);
      const found = [...logged(kind).map((name) => metricOf(kind, name)?.name), 'eps'];
      expect(names(kind).filter((name) => !found.includes(name))).toEqual([]);
    },
  );
});

test('a metric is found by the name of its stage, a second one of its kind included', () => {
  expect(metricOf('ppo-2', 'objective/kl')?.healthy).toEqual({ min: 0, max: 10 });
  expect(metricOf('reward', 'loss')?.unit).toBe('nats');
  expect(metricOf('sft', 'loss')?.unit).toBe('nats a token');
  expect(metricOf('sft', 'objective/kl')).toBeUndefined();
  expect(metricOf('nothing', 'loss')).toBeUndefined();
});

test('the name of a reward may be any', () => {
  expect(metricOf('grpo', 'rewards/kind-ending/mean')?.label).toBe('Reward by its name');
  expect(metricOf('grpo', 'rewards/chosen')).toBeUndefined();
  expect(metricOf('dpo', 'rewards/kind-ending/mean')).toBeUndefined();
});
