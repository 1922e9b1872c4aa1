// Whole runs of all stages on the tiny model: what they write, that they can be paused, stepped and stopped, and that a
// run killed in any stage and resumed in a fresh context ends with the same bytes as one that was left alone.
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { MemoryStore } from '../../tests/memory-store';
import { nodeDirectory } from '../../tests/node-files';
import { jsonl, killedAt, outcome, rowsOf, tinyRun, type TinyRun } from '../../tests/tiny-run';
import { splitByPrompt } from '../data/split';
import { openDevice } from '../engine/device';
import { loadModel } from '../model/load';
import type { LanguageModel } from '../model/types';
import type { Experiment } from '../shared/experiment';
import type { DeviceReport, Event, MetricsRow, Report, SampleRow } from '../shared/protocol';
import { defaultStage } from '../shared/validate';
import { Control } from './control';

// The tiny model writes single characters, about which the real labellers have nothing to say.
vi.mock('../feedback/labellers', () => ({
  labellers: { capitals: (_: string, completion: string) => completion.replace(/[^A-Z]/g, '').length },
}));

vi.mock('../evaluate/judge', () => ({
  judge: (completion: string) => ({ happy: completion.length > 4, score: completion.length }),
}));

const training = {
  per_device_train_batch_size: 4,
  gradient_accumulation_steps: 1,
  save_steps: 2,
  learning_rate: 2e-2,
  lr_scheduler_type: 'cosine' as const,
  warmup_steps: 1,
  adam_beta1: 0.9,
  adam_beta2: 0.999,
  adam_epsilon: 1e-8,
  weight_decay: 0.01,
  max_grad_norm: 1,
};
const supervised = {
  ...training,
  eval_fraction: 0.25,
  eval_steps: 2,
  early_stopping_patience: 5,
  group_by_length: true,
  curriculum_steps: 0,
};
const experiment: Experiment = {
  format: 1,
  name: 'tiny',
  model: 'tiny',
  seed: 7,
  lora: { r: 2, lora_alpha: 4, lora_dropout: 0.1, target_modules: ['q_proj', 'v_proj'], use_rslora: false },
  data: { sft: 'sft.jsonl', prompts: 'prompts.jsonl', eval_prompts: 'eval.jsonl' },
  stages: [
    { kind: 'sft', ...supervised, max_steps: 6, metric_for_best_model: 'eval_loss' },
    {
      kind: 'pairs',
      ...{ count: 40, num_generations: 2 },
      temperature: 1,
      max_new_tokens: 8,
      labeller: { kind: 'rule', name: 'capitals', noise: 0.3 },
    },
    { kind: 'reward', ...supervised, max_steps: 6, center_rewards_coefficient: 0.01, normalise_samples: 16 },
    {
      ...defaultStage('ppo'),
      ...training,
      reward: { kind: 'model' },
      total_episodes: 20,
      num_mini_batches: 2,
      num_ppo_epochs: 2,
      response_length: 8,
      temperature: 1,
      kl_coef: 0.05,
      kl_estimator: 'k1',
      kl_target: 1,
      kl_horizon: 100,
      cliprange: 0.2,
      cliprange_value: 0.2,
      vf_coef: 0.1,
      gamma: 1,
      lam: 0.95,
      whiten_rewards: false,
      missing_eos_penalty: 0.5,
      target_kl: null,
    },
    { kind: 'evaluate', samples_per_prompt: 3, max_new_tokens: 8, temperature: 1 },
  ],
};

const words = Array.from({ length: 24 }, (_, i) =>
  String.fromCharCode(97 + (i % 26), 97 + ((i * 7) % 26), 97 + ((i * 3) % 26)),
);
const data: Record<string, string> = {
  'sft.jsonl': jsonl(words.map((word) => ({ prompt: `${word}:`, completion: word.toUpperCase() }))),
  'prompts.jsonl': jsonl(words.slice(0, 12).map((word) => ({ prompt: `${word}:` }))),
  'eval.jsonl': jsonl(words.slice(12).map((word) => ({ prompt: `${word}:` }))),
};
/** Adapters that a run before this one left, by path. */
const given = new Map<string, Uint8Array>();
const readData = ({ path }: { path: string }): Promise<Uint8Array | null> =>
  Promise.resolve(path in data ? new TextEncoder().encode(data[path]) : (given.get(path) ?? null));

let device: DeviceReport;
let model: LanguageModel;

beforeAll(async () => {
  device = await openDevice('wasm');
  model = await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
});

type Options = Partial<TinyRun> & { some?: Partial<Experiment> };

const of = ({ some, ...options }: Options): TinyRun => ({
  ...{ experiment: { ...experiment, ...some }, model, device, readData },
  ...options,
});
const run = (options: Options = {}) => tinyRun(of(options));

describe('a run', { timeout: 120_000 }, () => {
  let whole: MemoryStore;
  let events: Event[];
  beforeAll(async () => {
    ({ store: whole, events } = await run());
  }, 120_000);

  it('writes a metrics row a step, samples, adapters and reports', () => {
    const rows = rowsOf<MetricsRow>(whole, 'metrics.jsonl');
    const steps = (stage: string) => rows.filter((row) => row.stage === stage).map(({ step }) => step);
    expect(steps('sft')).toEqual([1, 2, 3, 4, 5, 6]);
    expect(steps('ppo')).toEqual([1, 2, 3, 4, 5]);
    expect(rows.find(({ stage }) => stage === 'ppo')!['objective/kl']).toBe(0);
    expect(events.filter(({ type }) => type === 'metrics').length).toBe(rows.length);
    for (const path of ['sft', 'reward', 'ppo']) {
      expect(whole.files.has(`adapters/${path}/adapter_model.safetensors`)).toBe(true);
      expect(whole.files.has(`adapters/${path}/adapter_config.json`)).toBe(true);
    }
    expect(whole.text('pairs.jsonl').trim().split('\n').length).toBe(40);
    const samples = rowsOf<SampleRow>(whole, 'samples.jsonl');
    for (const checkpoint of ['base', 'sft', 'ppo']) {
      const evaluated = samples.filter((row) => row.checkpoint === checkpoint);
      expect(evaluated.filter(({ kl }) => kl !== undefined)).toHaveLength(12 * 3);
      expect(evaluated).toHaveLength(12 * 3);
    }
    const report = JSON.parse(whole.text('report.json')) as Report;
    expect(Object.keys(report.evaluation)).toEqual(['base', 'sft', 'ppo', 'best-of-3']);
    expect(Object.keys(report.comparisons)).toEqual(['base>sft', 'ppo>sft', 'best-of-3>sft']);
    expect(report.evaluation['sft']!['kl']!.value).toBe(0);
    expect(report.evaluation['ppo']!['kl']!.value).not.toBe(0);
    expect(Object.keys(report.seconds)).toEqual(['sft', 'pairs', 'reward', 'ppo', 'evaluate']);
    // The ceiling is that of the pairs the accuracy is measured on.
    const pairs = rowsOf<{ prompt: string; flipped: boolean }>(whole, 'pairs.jsonl');
    const { heldOut } = splitByPrompt(pairs, ({ prompt }) => prompt, 0.25, 7);
    const flipped = heldOut.filter((pair) => pair.flipped).length;
    expect(report.findings!['reward']!['accuracy_ceiling']!.value).toBe(1 - flipped / heldOut.length);
    expect(flipped).toBeGreaterThan(0);
    expect(whole.text('report.md')).toContain('| happy |');
    expect(events.at(-1)).toEqual({ type: 'run', state: 'finished' });
  });

  it('writes the numbers behind every token of a watched completion', () => {
    const rows = rowsOf<SampleRow>(whole, 'samples.jsonl');
    const watched = (checkpoint: string) => {
      const row = rows.find((other) => other.checkpoint === checkpoint && other.tokens);
      return { ...row!.tokens!, token_ids: row!.token_ids };
    };
    const base = watched('base@0');
    expect(base.ref_logprob).toEqual(base.logprob);
    const sft = watched('sft@4');
    expect(sft.ref_logprob).not.toEqual(sft.logprob);
    const { text, token_ids, logprob, ref_logprob, reward, value, advantage } = watched('ppo@4');
    for (const column of [text, logprob, ref_logprob, reward!, value!, advantage!]) {
      expect(column).toHaveLength(token_ids.length);
    }
    // Before the last token, a reward is nothing but the price of KL.
    reward!.slice(0, -1).forEach((price, t) => {
      expect(Math.abs(price)).toBeLessThan(0.1);
      expect(Math.sign(price) * Math.sign(logprob[t]! - ref_logprob[t]!)).toBeLessThanOrEqual(0);
    });
    expect(advantage!.some((nats) => nats !== 0)).toBe(true);
  });

  it.each([
    ['sft', 5],
    ['sft', 6],
    ['pairs', 1],
    ['reward', 3],
    ['ppo', 3],
    ['evaluate', 2],
  ])('killed at %s:%i and resumed ends with the same bytes', async (stage, step) => {
    const left = await killedAt(stage, step, of({}));
    await run({ store: left, resume: true });
    expect(outcome(left)).toEqual(outcome(whole));
  });

  it('starts PPO from adapters of an earlier run, to the same bytes', async () => {
    for (const [path, bytes] of whole.files) given.set(path, bytes);
    const adapters = { sft_model_path: 'adapters/sft', reward_model_path: 'adapters/reward' };
    const some = { data: { ...experiment.data, ...adapters }, stages: experiment.stages.slice(3) };
    const { store } = await run({ some });
    const path = 'adapters/ppo/adapter_model.safetensors';
    expect(store.files.get(path)).toEqual(whole.files.get(path));
    const report = JSON.parse(store.text('report.json')) as Report;
    expect(Object.keys(report.evaluation)).toEqual(['base', 'sft', 'ppo', 'best-of-3']);

    // Going on from a trained policy, it is away from its reference from the first update on.
    const on = { ...experiment.data, ...adapters, policy_model_path: 'adapters/ppo' };
    const { events } = await run({ some: { data: on, stages: experiment.stages.slice(3, 4) } });
    const [first] = events.filter((event) => event.type === 'metrics');
    expect(first!.row['objective/kl']).not.toBe(0);

    const missing = { data: { ...experiment.data, sft_model_path: 'adapters/none' } };
    await expect(run({ some: missing })).rejects.toMatchObject({ code: 'not-found' });
  });

  it('resumes nothing of another experiment', async () => {
    const left = await killedAt('sft', 3, of({}));
    const failure = run({ store: left, resume: true, some: { seed: 8 } });
    await expect(failure).rejects.toMatchObject({ code: 'bad-experiment' });
  });

  it.each([
    ['checkpoint/state.json', 'is not whole'],
    ['checkpoint/stage-2-step-2.safetensors', 'cannot be read'],
  ])('refuses a run whose %s is cut short, and touches nothing of it', async (path, what) => {
    const left = await killedAt('reward', 3, of({}));
    const bytes = left.files.get(path)!;
    left.files.set(path, bytes.slice(0, bytes.length / 2));
    const before = left.copy();
    await expect(run({ store: left, resume: true })).rejects.toMatchObject({
      code: 'bad-checkpoint',
      message: expect.stringContaining(`${path} ${what}`) as string,
      fix: expect.stringMatching(/checkpoint\/stage-2-step-\d\.json/) as string,
    });
    expect(left.files).toEqual(before.files);
  });

  it('can be resumed with what it began with from before its first step on', async () => {
    const left = await killedAt('sft', 1, of({}));
    expect(await left.list('checkpoint/')).toEqual([
      'checkpoint/stage-0-step-0.json',
      'checkpoint/state.json',
    ]);
    await run({ store: left, resume: true });
    expect(outcome(left)).toEqual(outcome(whole));
  });

  it('pauses, steps once, goes on and comes to the same end', async () => {
    const control = new Control();
    const states: string[] = [];
    const told = vi.fn();
    const tell = (event: Event): void => {
      if (event.type === 'metrics' && event.row.stage === 'reward' && event.row.step === 2) control.pause();
      if (event.type === 'metrics') told(`${event.row.stage}:${event.row.step}`);
      if (event.type !== 'run') return;
      states.push(`${event.state} ${told.mock.lastCall?.[0] ?? ''}`);
      if (event.state === 'paused')
        setTimeout(() => (states.length < 5 ? control.step() : control.resume()), 30);
    };
    const { store } = await run({ control, tell });
    expect(states).toEqual([
      'running ',
      'paused reward:2',
      'running reward:2',
      'paused reward:3',
      'running reward:3',
      'paused reward:4',
      'running reward:4',
      'finished evaluate:4',
    ]);
    expect(outcome(store)).toEqual(outcome(whole));
  });

  it('stops with a checkpoint to resume from', async () => {
    const control = new Control();
    const tell = (event: Event): void => {
      if (event.type === 'metrics' && event.row.stage === 'ppo' && event.row.step === 3) control.stop();
    };
    const { store, events } = await run({ control, tell });
    expect(events.at(-1)).toEqual({ type: 'run', state: 'stopped' });
    expect(store.files.has('report.json')).toBe(false);
    await run({ store, resume: true });
    expect(outcome(store)).toEqual(outcome(whole));
  });

  it('takes up changed settings before the next step, and a resumed run keeps them', async () => {
    const changing = (): Options => {
      const control = new Control();
      const tell = (event: Event): void => {
        if (event.type !== 'metrics' || event.row.stage !== 'ppo' || event.row.step !== 2) return;
        control.change({ stage: 'ppo', key: 'kl_coef', value: 0.5 });
        control.change({ stage: 'ppo', key: 'learning_rate', value: 1e-3 });
        control.change({ stage: 'sft', key: 'learning_rate', value: 1 }); // Too late.
        control.change({ stage: 'ppo', key: 'vf_coef', value: 0.1 }); // As it is.
      };
      return { control, tell };
    };
    const { store, events } = await run(changing());
    expect(store.text('changes.jsonl')).toBe(
      '{"stage":"ppo","key":"kl_coef","value":0.5,"step":2}\n' +
        '{"stage":"ppo","key":"learning_rate","value":0.001,"step":2}\n',
    );
    expect(events.filter(({ type }) => type === 'changed')).toHaveLength(2);
    const ppo = rowsOf<MetricsRow>(store, 'metrics.jsonl').filter(({ stage }) => stage === 'ppo');
    expect(ppo[1]!['objective/kl_coef']).toBeLessThan(0.1);
    expect(ppo[2]).toMatchObject({ 'objective/kl_coef': 0.5, lr: 1e-3 * 0.5 * (1 + Math.cos(Math.PI / 4)) });
    const left = await killedAt('ppo', 4, of(changing()));
    await run({ store: left, resume: true });
    expect(outcome(left)).toEqual(outcome(store));
  });

  it('goes back to a checkpoint that is not the last', async () => {
    const store = whole.copy();
    const control = new Control();
    control.stop();
    const kept = await store.list('checkpoint/');
    expect(kept).toContain('checkpoint/stage-2-step-4.json');
    expect(kept).toContain('checkpoint/stage-3-step-0.json');
    await run({ store, resume: true, from: 'stage-2-step-4', control });
    expect(store.files.has('report.json')).toBe(false);
    expect((await store.list('checkpoint/')).filter((path) => path.includes('stage-3'))).toEqual([]);
    await run({ store, resume: true });
    expect(outcome(store)).toEqual(outcome(whole));
    await expect(run({ store, resume: true, from: 'stage-9-step-9' })).rejects.toThrow('no checkpoint');
  });

  it.each([
    [24, 40],
    [60, 4],
  ])('watches openings of %i tokens, after which there is room for %i', async (length, room) => {
    data['long.jsonl'] = jsonl(['a', 'b', 'c', 'd'].map((letter) => ({ prompt: letter.repeat(length) })));
    const ppo = { ...experiment.stages[3]!, response_length: 50, total_episodes: 8 };
    const stages = [{ ...ppo, reward: { kind: 'tokens', weights: { a: 1, ' b': -0.5 } } }];
    const some = {
      data: { ...experiment.data, eval_prompts: 'long.jsonl' },
      stages: stages as Experiment['stages'],
    };
    const { store, events } = await run({ some });
    for (const checkpoint of ['base@0', 'ppo@2']) {
      const rows = rowsOf<SampleRow>(store, 'samples.jsonl').filter((row) => row.checkpoint === checkpoint);
      // Those of an update stand among them, after prompts of their own.
      const watched = rows.filter(({ prompt }) => prompt.length === length);
      expect(Math.max(...watched.map(({ token_ids }) => token_ids.length))).toBe(room);
    }
    expect(events.filter(({ type }) => type === 'warning')).toMatchObject([
      { stage: 'ppo', message: expect.stringContaining('" b"') as string },
    ]);
  });

  it('learns a reward from pairs of whole texts that share no beginning', async () => {
    data['whole.jsonl'] = jsonl(words.map((word) => ({ chosen: word.toUpperCase(), rejected: `?${word}` })));
    const some = { data: { preferences: 'whole.jsonl' }, stages: [experiment.stages[2]!] };
    const { store } = await run({ some });
    const { gain, bias } = JSON.parse(store.text('adapters/reward/reward_normalization.json')) as {
      gain: number;
      bias: number;
    };
    expect(gain).toBeGreaterThan(0);
    expect(bias).not.toBe(0);
    const { accuracy } = (JSON.parse(store.text('report.json')) as Report).findings!['reward']!;
    expect(accuracy!.low).toBeLessThanOrEqual(accuracy!.value);
  });

  it('trains on a binary rule without a reward model, and reports the closed-form optimum', async () => {
    const [ppo, evaluation] = [experiment.stages[3]!, experiment.stages[4]!];
    // The tiny model never writes a kind word: of nothing the best is nothing.
    const on = { reward: { kind: 'rule', name: 'kind-ending' }, total_episodes: 8, kl_target: null };
    const { store } = await run({
      some: { stages: [{ ...ppo, ...on }, evaluation] as Experiment['stages'] },
    });
    const report = JSON.parse(store.text('report.json')) as Report;
    const nothing = { value: 0, low: 0, high: 0 };
    const ppoFound = { reached: nothing, optimum: nothing };
    expect(report.findings).toEqual({ ppo: ppoFound, evaluate: { best_of_3_kl: nothing } });
    expect(Object.keys(report.comparisons)).toEqual(['ppo>base', 'best-of-3>base']);
  });

  it('says what failed and keeps the last checkpoint', async () => {
    const store = new MemoryStore();
    // The first step of a warm-up has a rate of 0, the second one that no weight survives.
    const wild = { learning_rate: 1e30, max_grad_norm: null, warmup_steps: 3, save_steps: 1 };
    const stages = [{ ...experiment.stages[0]!, ...wild }];
    const events: Event[] = [];
    const tell = (event: Event) => void events.push(event);
    await expect(run({ store, some: { stages }, tell })).rejects.toMatchObject({ code: 'not-finite' });
    expect(
      events.slice(-3).map((event) => ('state' in event ? `${event.type} ${event.state}` : event.type)),
    ).toEqual(['stage failed', 'error', 'run failed']);
    const steps = rowsOf<MetricsRow>(store, 'metrics.jsonl').map(({ step }) => step);
    const { state } = JSON.parse(store.text('checkpoint/state.json')) as {
      state: { step: number; tensors: string };
    };
    expect(state.step).toBe(steps.at(-1));
    expect(store.files.has(state.tensors)).toBe(true);

    // From what was kept it goes on, once the rate is one that weights survive.
    const control = new Control();
    control.change({ stage: 'sft', key: 'learning_rate', value: 1e-3 });
    await run({ store, resume: true, control, some: { stages } });
    expect(rowsOf<MetricsRow>(store, 'metrics.jsonl').map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
