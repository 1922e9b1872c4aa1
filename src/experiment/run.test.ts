// Whole runs of all stages on the tiny model: what they write, that they can be paused, stepped and stopped, and that a
// run killed in any stage and resumed in a fresh context ends with the same bytes as one that was left alone.
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { MemoryStore } from '../../tests/memory-store';
import { nodeDirectory } from '../../tests/node-files';
import { openDevice } from '../engine/device';
import { tf } from '../engine/tf';
import { loadModel } from '../model/load';
import type { LanguageModel } from '../model/types';
import { PlaygroundError } from '../shared/errors';
import type { Experiment } from '../shared/experiment';
import type { DeviceReport, Event, MetricsRow, Report, SampleRow } from '../shared/protocol';
import { defaultStage } from '../shared/validate';
import { Control } from './control';
import { runExperiment } from './run';

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
      count: 40,
      temperature: 1,
      max_new_tokens: 8,
      labeller: { kind: 'rule', name: 'capitals', noise: 0.1 },
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

const jsonl = (rows: object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
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

interface Options {
  store?: MemoryStore;
  resume?: boolean;
  from?: string;
  control?: Control;
  tell?: (event: Event) => void;
  some?: Partial<Experiment>;
}

async function run({
  store = new MemoryStore(),
  resume = false,
  from,
  control = new Control(),
  tell,
  some,
}: Options = {}) {
  const events: Event[] = [];
  const before = tf.memory().numTensors;
  try {
    await runExperiment({
      experiment: { ...experiment, ...some },
      model,
      device,
      store,
      readData,
      resume,
      from,
      control,
      tell: (event) => {
        events.push(event);
        tell?.(event);
      },
    });
  } finally {
    expect(tf.memory().numTensors).toBe(before);
  }
  return { store, events };
}

/** A run that loses power as soon as the step is told, and what is on disk then. */
async function killedAt(stage: string, step: number, options: Options = {}): Promise<MemoryStore> {
  const store = new MemoryStore();
  let left: MemoryStore | null = null;
  const tell = (event: Event): void => {
    options.tell?.(event);
    if (left || event.type !== 'metrics' || event.row.stage !== stage || event.row.step !== step) return;
    left = store.copy();
    throw new Error('power cut');
  };
  await expect(run({ ...options, store, tell })).rejects.toThrow('power cut');
  return left!;
}

/** What must be equal: everything but times. */
function outcome(store: MemoryStore): Record<string, string> {
  const timeless = (line: string): string =>
    line === '' ? '' : JSON.stringify({ ...(JSON.parse(line) as MetricsRow), seconds: 0, eps: 0 });
  return Object.fromEntries(
    [...store.files.keys()]
      .filter((path) => /^(adapters\/|metrics|samples|pairs|changes)/.test(path))
      .sort()
      .map((path) => [
        path,
        path === 'metrics.jsonl'
          ? store.text(path).split('\n').map(timeless).join('\n')
          : Array.from(store.files.get(path)!).join(),
      ]),
  );
}

describe('a run', { timeout: 120_000 }, () => {
  let whole: MemoryStore;
  let events: Event[];
  beforeAll(async () => {
    ({ store: whole, events } = await run());
  }, 120_000);

  it('writes a metrics row a step, samples, adapters and reports', () => {
    const rows = whole
      .text('metrics.jsonl')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as MetricsRow);
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
    const samples = whole.text('samples.jsonl').trim().split('\n');
    expect(samples.filter((line) => line.includes('"checkpoint":"ppo"')).length).toBe(12 * 3);
    const report = JSON.parse(whole.text('report.json')) as Report;
    expect(Object.keys(report.evaluation)).toEqual(['base', 'sft', 'ppo', 'best-of-3']);
    expect(Object.keys(report.comparisons)).toEqual(['base>sft', 'ppo>sft', 'best-of-3>sft']);
    expect(report.evaluation['sft']!['kl']!.value).toBe(0);
    expect(report.evaluation['ppo']!['kl']!.value).not.toBe(0);
    expect(Object.keys(report.seconds)).toEqual(['sft', 'pairs', 'reward', 'ppo', 'evaluate']);
    const flipped = whole.text('pairs.jsonl').match(/"flipped":true/g)?.length ?? 0;
    expect(flipped).toBeGreaterThan(0);
    expect(report.findings!['reward']!['accuracy_ceiling']!.value).toBeCloseTo(1 - flipped / 40, 12);
    expect(whole.text('report.md')).toContain('| happy |');
    expect(events.at(-1)).toEqual({ type: 'run', state: 'finished' });
  });

  it('writes the numbers behind every token of a watched completion', () => {
    const rows = whole
      .text('samples.jsonl')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as SampleRow);
    const watched = (checkpoint: string) => {
      const row = rows.find((other) => other.checkpoint === checkpoint && other.tokens);
      return { ...row!.tokens!, token_ids: row!.token_ids };
    };
    const base = watched('base');
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
    const left = await killedAt(stage, step);
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
    const left = await killedAt('sft', 3);
    const failure = run({ store: left, resume: true, some: { seed: 8 } });
    await expect(failure).rejects.toMatchObject({ code: 'bad-experiment' });
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
    const ppo = store
      .text('metrics.jsonl')
      .split('\n')
      .filter((line) => line.includes('"stage":"ppo"'))
      .map((line) => JSON.parse(line) as MetricsRow);
    expect(ppo[1]!['objective/kl_coef']).toBeLessThan(0.1);
    expect(ppo[2]).toMatchObject({ 'objective/kl_coef': 0.5, lr: 1e-3 * 0.5 * (1 + Math.cos(Math.PI / 4)) });
    const left = await killedAt('ppo', 4, changing());
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

  it('trains on a binary rule without a reward model, and reports the closed-form optimum', async () => {
    const [ppo, evaluation] = [experiment.stages[3]!, experiment.stages[4]!];
    // The tiny model never writes a kind word: of nothing the best is nothing.
    const stages = [{ ...ppo, reward: { kind: 'rule', name: 'kind-ending' }, total_episodes: 8 }, evaluation];
    const { store } = await run({ some: { stages: stages as Experiment['stages'] } });
    const report = JSON.parse(store.text('report.json')) as Report;
    const nothing = { value: 0, low: 0, high: 0 };
    expect(report.findings).toEqual({ ppo: { reached: nothing, optimum: nothing } });
    expect(Object.keys(report.comparisons)).toEqual(['ppo>base', 'best-of-3>base']);
  });

  it('says what failed and keeps the last checkpoint', async () => {
    const store = new MemoryStore();
    const stages = [{ ...experiment.stages[0]!, learning_rate: 1e30, max_grad_norm: null, warmup_steps: 0 }];
    const events: Event[] = [];
    const failure = await run({
      store,
      some: { stages: stages },
      tell: (event) => void events.push(event),
    }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(PlaygroundError);
    expect((failure as PlaygroundError).code).toBe('not-finite');
    expect(
      events.slice(-3).map((event) => ('state' in event ? `${event.type} ${event.state}` : event.type)),
    ).toEqual(['stage failed', 'error', 'run failed']);
  });
});
