import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PlaygroundError } from './errors';
import type { StageKind } from './methods';
import { settingsOf } from './settings';
import { defaultStage, parseExperiment } from './validate';
import { STAGE_KINDS } from './methods';

const KINDS = STAGE_KINDS.map((kind) => JSON.stringify(kind)).join(', ');

/** The example of the interface page. */
const EXAMPLE = `{ "format": 1, "name": "kind-endings", "model": "bundled:stories-neo", "seed": 1,
  "lora": { "r": 8, "lora_alpha": 16, "lora_dropout": 0, "target_modules": ["q_proj", "v_proj"], "use_rslora": false },
  "data": { "sft": "builtin:kind-endings/sft", "prompts": "builtin:kind-endings/prompts", "eval_prompts": "builtin:kind-endings/eval", "preferences": "pairs.jsonl" },
  "stages": [
    { "kind": "sft", "max_steps": 150, "per_device_train_batch_size": 16, "gradient_accumulation_steps": 1, "learning_rate": 2e-3, "lr_scheduler_type": "cosine", "warmup_steps": 10, "max_grad_norm": 1.0, "weight_decay": 0.0, "eval_steps": 25, "early_stopping_patience": 3 },
    { "kind": "pairs", "count": 1000, "temperature": 1.0, "labeller": { "kind": "rule", "name": "feeling-words", "noise": 0.1 } },
    { "kind": "reward", "max_steps": 150, "per_device_train_batch_size": 16, "learning_rate": 1e-3 },
    { "kind": "ppo", "reward": { "kind": "model" }, "total_episodes": 960, "per_device_train_batch_size": 32, "num_mini_batches": 1, "num_ppo_epochs": 2, "response_length": 40, "temperature": 1.0, "learning_rate": 1e-3, "kl_coef": 0.05, "kl_estimator": "k1", "cliprange": 0.2, "cliprange_value": 0.2, "vf_coef": 0.1, "gamma": 1.0, "lam": 0.95, "whiten_rewards": false, "missing_eos_penalty": null },
    { "kind": "evaluate", "samples_per_prompt": 4 } ] }`;

const DATA = `"data": {"sft": "s.jsonl", "prompts": "p.jsonl", "eval_prompts": "e.jsonl"}`;
const STAGES_BEFORE_PPO = `{"kind": "sft"}, {"kind": "pairs"}, {"kind": "reward"}`;
const withStages = (stages: string, data = DATA): string => `{"format": 1, ${data},\n"stages": [${stages}]}`;
const withPpo = (settings: string): string =>
  withStages(`${STAGES_BEFORE_PPO},\n{"kind": "ppo"${settings && `,\n${settings}`}}`);

function faultOf(text: string): { message: string; fix: string } {
  try {
    parseExperiment(text, 'a.json');
  } catch (error) {
    if (!(error instanceof PlaygroundError)) throw error;
    expect(error.code).toBe('bad-experiment');
    return { message: error.message, fix: error.fix };
  }
  return { message: 'no fault', fix: '' };
}

describe('a good file', () => {
  test('keeps what is written', () => {
    const { experiment } = parseExperiment(EXAMPLE, 'a.json');
    const written = JSON.parse(EXAMPLE) as { stages: object[] };
    expect(experiment).toMatchObject(written);
    expect(experiment.stages.map(({ kind }) => kind)).toEqual(['sft', 'pairs', 'reward', 'ppo', 'evaluate']);
  });

  test('has our defaults equal to the example', () => {
    const { stages } = JSON.parse(EXAMPLE) as { stages: { kind: StageKind }[] };
    for (const stage of stages) expect(defaultStage(stage.kind)).toMatchObject(stage);
  });

  test('may leave everything out that has a default', () => {
    const { experiment, warnings } = parseExperiment(withPpo(''), 'a.json');
    expect(warnings).toEqual([]);
    expect(experiment).toMatchObject({
      format: 1,
      name: 'experiment',
      model: 'bundled:stories-neo',
      seed: 1,
    });
    expect(experiment.lora).toEqual({
      use_peft: true,
      r: 8,
      lora_alpha: 16,
      lora_dropout: 0,
      target_modules: ['q_proj', 'v_proj'],
      use_rslora: false,
      use_dora: false,
    });
    expect(experiment.stages[3]).toEqual(defaultStage('ppo'));
    expect(experiment.stages[3]).toMatchObject({ adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8 });
  });

  test('may hold no rows out, which leaves nothing to watch', () => {
    const text = withStages('{"kind": "sft", "eval_fraction": 0}');
    const { experiment, warnings } = parseExperiment(text, 'a.json');
    expect(warnings).toEqual([]);
    expect(experiment.stages[0]).toEqual({
      ...defaultStage('sft'),
      eval_fraction: 0,
      early_stopping_patience: null,
    });
  });

  test('is unchanged by being read again', () => {
    const { experiment } = parseExperiment(EXAMPLE, 'a.json');
    expect(parseExperiment(JSON.stringify(experiment), 'a.json').experiment).toEqual(experiment);
  });

  test('shares no default objects between two readings', () => {
    const first = parseExperiment(withPpo(''), 'a.json').experiment;
    first.lora.target_modules.push('c_fc');
    expect(parseExperiment(withPpo(''), 'a.json').experiment.lora.target_modules).toEqual([
      'q_proj',
      'v_proj',
    ]);
  });

  test.each(STAGE_KINDS)('has every setting of a default %s stage', (kind) => {
    const keys = settingsOf(kind).map(({ key }) => key);
    expect(Object.keys(defaultStage(kind))).toEqual(['kind', ...keys]);
  });

  test('may weigh tokens, the empty text and __proto__ among them', () => {
    const text = withPpo('"reward": {"kind": "tokens", "weights": {"a": 1.0, " b": -0.5, "__proto__": 2}}');
    const ppo = parseExperiment(text, 'a.json').experiment.stages[3];
    expect(JSON.stringify(ppo)).toContain('{"kind":"tokens","weights":{"a":1," b":-0.5,"__proto__":2}}');
  });
});

const directory = new URL('../../experiments/', import.meta.url);

test.each(readdirSync(directory).filter((file) => file.endsWith('.json')))('%s reads', (file) => {
  expect(parseExperiment(readFileSync(new URL(file, directory), 'utf8'), file).experiment.format).toBe(1);
});

describe('a fault is named with file, line, place, value and what it may be', () => {
  test.each([
    ['{"format": 2, "stages": []}', 'a.json, line 1: format is 2.', 'This playground opens format 1.'],
    ['{"format": "1", "stages": []}', 'a.json, line 1: format is "1".', 'This playground opens format 1.'],
    ['{"stages": []}', 'a.json, line 1: format is missing.', 'Add "format": this playground opens format 1.'],
    ['[]', 'a.json, line 1: the file is [].', 'It may be an experiment like {"format": 1, "stages": […]}.'],
    ['{"format": 1}', 'a.json, line 1: stages is missing.', 'Add "stages": a list like [{"kind": "sft"}].'],
    [
      '{"format": 1,\n"stages": []}',
      'a.json, line 2: stages is [].',
      'It may be a list of at least one stage.',
    ],
    [
      '{"format": 1, "stages": [\n{}]}',
      'a.json, line 2: stages[0].kind is missing.',
      `Add "kind", one of ${KINDS}.`,
    ],
    [
      '{"format": 1, "stages": [{"kind": "ppos"}]}',
      'a.json, line 1: stages[0].kind is "ppos".',
      `It may be one of ${KINDS}. Did you mean "ppo"?`,
    ],
    [
      withStages('{"kind": "sft",\n"learnig_rate": 1}'),
      'a.json, line 3: stages[0].learnig_rate is not a setting here.',
      'Did you mean "learning_rate"?',
    ],
    [
      withStages('{"kind": "grpo", "kl_estimator": "k1"}'),
      'a.json, line 2: stages[0].kl_estimator is not a setting here.',
      'Take it out: it is a setting of ppo.',
    ],
    [
      withPpo('"kl_estimator": "k2"'),
      'a.json, line 4: stages[3].kl_estimator is "k2".',
      'It may be "k1" or "k3". Did you mean "k1"?',
    ],
    [
      withStages('{"kind": "evaluate", "zzzzzzzz": 1}'),
      'a.json, line 2: stages[0].zzzzzzzz is not a setting here.',
      'It may be one of: kind, samples_per_prompt, max_new_tokens, temperature.',
    ],
    [
      withStages('{"kind": "sft",\n\n"learning_rate":\n"fast"}'),
      'a.json, line 4: stages[0].learning_rate is "fast".',
      'It may be a number above 0 and at most 1.',
    ],
    [
      withStages('{"kind": "sft", "learning_rate": 1e999}'),
      'a.json, line 2: stages[0].learning_rate is a number too large to hold.',
      'It may be a number above 0 and at most 1.',
    ],
    [
      withStages('{"kind": "sft", "lr_scheduler_type": "cosinus"}'),
      'a.json, line 2: stages[0].lr_scheduler_type is "cosinus".',
      'It may be "constant" or "linear" or "cosine". Did you mean "cosine"?',
    ],
    [
      '{"format": 1, "stages": [{"kind": "sft"}], "lora": {"rank": 8}}',
      'a.json, line 1: lora.rank is not a setting here.',
      'It may be one of: use_peft, r, lora_alpha, lora_dropout, target_modules, use_rslora, use_dora.',
    ],
    [
      '{"format": 1, "stages": [{"kind": "sft"}], "model": "hf:gpt2"}',
      'a.json, line 1: model is "hf:gpt2".',
      'It may be bundled:NAME, hf:OWNER/NAME, hf:OWNER/NAME@REVISION, or a directory.',
    ],
    [
      '{"format": 1, "stages": [{"kind": "sft"}],\n"data": {"sft": "builtin:kind-endings/stf"}}',
      'a.json, line 2: data.sft is "builtin:kind-endings/stf".',
      'It may be builtin:NAME/sft, …/prompts, …/eval, …/preferences, …/sft_model, …/reward_model, or a path.',
    ],
    [
      withStages('{"kind": "pairs", "labeller": {"kind": "rule", "noise": 0.1}}'),
      'a.json, line 2: stages[0].labeller.name is missing.',
      'Add "name": "feeling-words".',
    ],
    [
      withStages('{"kind": "pairs", "labeller": {"kind": "rule", "name": "feeling-words", "noise": 0.6}}'),
      'a.json, line 2: stages[0].labeller.noise is 0.6.',
      'It may be a number at least 0 and at most 0.5.',
    ],
    [
      withPpo('"reward": {"kind": "rule",\n"name": "kindending"}'),
      'a.json, line 5: stages[3].reward.name is "kindending".',
      'It may be "kind-ending". Did you mean "kind-ending"?',
    ],
    [
      withPpo('"reward": {"kind": "modell"}'),
      'a.json, line 4: stages[3].reward.kind is "modell".',
      'It may be "model" or "rule" or "tokens". Did you mean "model"?',
    ],
    [
      withPpo('"reward": {"kind": "model", "name": "x"}'),
      'a.json, line 4: stages[3].reward.name is not a setting here.',
      'It may be one of: kind.',
    ],
    [
      withPpo('"reward": {"kind": "tokens", "weights": {"a": "1"}}'),
      'a.json, line 4: stages[3].reward.weights["a"] is "1".',
      'It may be a number.',
    ],
  ])('%s', (text, message, fix) => {
    expect(faultOf(text)).toEqual({ message, fix });
  });
});

describe('settings that cannot go together are refused with the fix named', () => {
  const cases: [name: string, text: string, line: number, message: RegExp, fix: RegExp][] = [
    [
      'minibatches',
      withPpo('"num_mini_batches": 5'),
      4,
      /5 minibatches do not divide the batch of 32/,
      /1, 2, 4, 8, 16, 32/,
    ],
    [
      'minibatches of an accumulated batch',
      withPpo('"per_device_train_batch_size": 6, "gradient_accumulation_steps": 2,\n"num_mini_batches": 5'),
      5,
      /do not divide the batch of 6 × 2 = 12/,
      /1, 2, 3, 4, 6, 12/,
    ],
    [
      'episodes',
      withPpo('"total_episodes": 31'),
      4,
      /31 episodes are fewer than the batch of 32/,
      /at least 32/,
    ],
    [
      'whitening',
      withPpo('"num_mini_batches": 8, "whiten_rewards": true'),
      4,
      /minibatch of 4/,
      /whiten_rewards to false/,
    ],
    [
      'ppo warm-up',
      withPpo('"warmup_steps": 31'),
      4,
      /31 updates does not fit into 30/,
      /Lower warmup_steps/,
    ],
    ['kl_target', withPpo('"kl_coef": 0, "kl_target": 6'), 4, /0 stays 0/, /kl_coef above 0/],
    [
      'no reward model',
      withStages('{"kind": "sft"},\n{"kind": "ppo"}'),
      3,
      /no reward stage comes before/,
      /reward stage before/,
    ],
    [
      'a reward model that comes later',
      withStages('{"kind": "ppo"}, {"kind": "pairs"}, {"kind": "reward"}'),
      2,
      /no reward stage comes before/,
      /reward stage before/,
    ],
    [
      'no pairs',
      withStages('{"kind": "sft"},\n\n{"kind": "reward"}'),
      4,
      /no pairs to learn from/,
      /pairs stage before it/,
    ],
    ['no demonstrations', withStages('{"kind": "sft"}', '"data": {}'), 2, /data\.sft/, /Add "sft"/],
    [
      'no prompts for pairs',
      withStages('{"kind": "pairs"}', '"data": {}'),
      2,
      /data\.prompts/,
      /Add "prompts"/,
    ],
    [
      'no prompts for ppo',
      withStages('{"kind": "ppo", "reward": {"kind": "rule", "name": "kind-ending"}}', '"data": {}'),
      2,
      /data\.prompts/,
      /Add "prompts"/,
    ],
    [
      'no evaluation prompts',
      withStages('{"kind": "evaluate"}', '"data": {}'),
      2,
      /eval_prompts/,
      /Add "eval_prompts"/,
    ],
    [
      'warm-up',
      withStages('{"kind": "sft", "max_steps": 9}'),
      2,
      /warm-up of 10 steps/,
      /Lower warmup_steps/,
    ],
    [
      'patience',
      withStages('{"kind": "sft", "eval_fraction": 0,\n"early_stopping_patience": 3}'),
      3,
      /holds none out/,
      /to null/,
    ],
  ];
  test.each(cases)('%s', (_, text, line, message, fix) => {
    const fault = faultOf(text);
    expect(fault.message).toContain(`a.json, line ${line}, stages[`);
    expect(fault.message).toMatch(message);
    expect(fault.fix).toMatch(fix);
  });

  test('a preferences file stands in for a pairs stage, a rule for a reward stage', () => {
    expect(faultOf(withStages('{"kind": "reward"}', '"data": {"preferences": "p.jsonl"}')).message).toBe(
      'no fault',
    );
    expect(
      faultOf(withStages('{"kind": "ppo", "reward": {"kind": "rule", "name": "kind-ending"}}')).message,
    ).toBe('no fault');
  });

  test('a minibatch of 8 may be whitened', () => {
    expect(faultOf(withPpo('"num_mini_batches": 4, "whiten_rewards": true')).message).toBe('no fault');
  });
});

describe('warnings', () => {
  const paths = (text: string): string[] => parseExperiment(text, 'a.json').warnings.map(({ path }) => path);

  test('name what is allowed and probably not meant', () => {
    expect(paths(withPpo('"kl_estimator": "k3"'))).toEqual(['stages[3].kl_estimator']);
    expect(paths(withPpo('"kl_coef": 0'))).toEqual(['stages[3].kl_coef']);
    expect(paths(withStages('{"kind": "sft", "max_steps": 20}'))).toEqual(['stages[0].eval_steps']);
    expect(paths(EXAMPLE)).toEqual(['stages[1]']);
  });
});

describe('random files', () => {
  test('never bring anything but a PlaygroundError', () => {
    const keys = fc.constantFrom(
      'format',
      'stages',
      'kind',
      'lora',
      'data',
      'model',
      'reward',
      'labeller',
      'r',
      'seed',
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        fc.constantFrom(1, 0, -1, 1e300, '', 'sft', 'ppo', 'pairs', 'tokens', 'rule', null, true),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(keys, tie('value'), { maxKeys: 5 }),
      ),
    }));
    const file = fc.oneof(
      value,
      fc.record({ format: fc.constant(1), stages: fc.array(fc.record({ kind: value, reward: value })) }),
      fc
        .record({
          kind: fc.constantFrom(...STAGE_KINDS),
          key: fc.constantFrom(...STAGE_KINDS.flatMap((k) => settingsOf(k).map((s) => s.key))),
          value,
        })
        .map((s) => ({ format: 1, stages: [{ kind: s.kind, [s.key]: s.value }] })),
    );
    fc.assert(
      fc.property(file, (content) => {
        const fault = faultOf(JSON.stringify(content));
        expect(fault.message === 'no fault' || fault.fix !== '').toBe(true);
      }),
      { numRuns: 400 },
    );
  });
});
