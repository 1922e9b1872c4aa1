// Every method in a whole run on the tiny model: what it leaves, and that killed in the middle and resumed in a fresh
// context it ends with the same bytes as when left alone.
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { MemoryStore } from '../../tests/memory-store';
import { nodeDirectory } from '../../tests/node-files';
import { jsonl, killedAt, outcome, rowsOf, tinyRun, type TinyRun } from '../../tests/tiny-run';
import { openDevice } from '../engine/device';
import { loadModel } from '../model/load';
import type { LanguageModel } from '../model/types';
import type { Experiment, Stage } from '../shared/experiment';
import { choices, type StageKind } from '../shared/methods';
import { metricOf } from '../shared/metrics';
import type { DeviceReport, MetricsRow, Report } from '../shared/protocol';
import { defaultStage } from '../shared/validate';

vi.mock('../evaluate/judge', () => ({
  judge: (completion: string) => ({ happy: completion.length > 4, score: completion.length }),
}));

const words = Array.from({ length: 20 }, (_, i) =>
  String.fromCharCode(97 + (i % 26), 97 + ((i * 7) % 26), 97 + ((i * 3) % 26)),
);
const data: Record<string, string> = {
  'prompts.jsonl': jsonl(words.slice(0, 12).map((word) => ({ prompt: `${word}:` }))),
  'eval.jsonl': jsonl(words.slice(12).map((word) => ({ prompt: `${word}:` }))),
  'pairs.jsonl': jsonl(
    words.map((word) => ({ prompt: `${word}:`, chosen: word.toUpperCase(), rejected: `${word}${word}` })),
  ),
  'labels.jsonl': jsonl(
    words.map((word, i) => ({
      prompt: `${word}:`,
      completion: word.repeat(1 + (i % 2)),
      label: i % 2 === 0,
    })),
  ),
};
/** Adapters that a run before left, by path. */
const given = new Map<string, Uint8Array>();
const readData = ({ path }: { path: string }): Promise<Uint8Array | null> =>
  Promise.resolve(path in data ? new TextEncoder().encode(data[path]) : (given.get(path) ?? null));

const common = {
  per_device_train_batch_size: 8,
  warmup_steps: 0,
  learning_rate: 1e-2,
  save_steps: 1,
  weight_decay: 0.01,
};
const rows = { ...common, max_steps: 4, eval_fraction: 0.25, eval_steps: 2, early_stopping_patience: 5 };
const samples = {
  ...common,
  total_episodes: 32,
  max_completion_length: 6,
  max_new_tokens: 6,
  num_generations: 4,
  missing_eos_penalty: 0.5,
  reward: { kind: 'tokens', weights: { a: 1 } },
};
/** A short stage with every setting of its kind. */
function shortStage(kind: StageKind): Stage {
  const full = defaultStage(kind);
  const wanted = 'max_steps' in full ? rows : samples;
  return { ...full, ...Object.fromEntries(Object.entries(wanted).filter(([key]) => key in full)) };
}

const experimentOf = (kind: StageKind, preferences = 'pairs.jsonl'): Experiment => ({
  format: 1,
  name: 'tiny',
  model: 'tiny',
  seed: 7,
  lora: { ...LORA, target_modules: ['q_proj', 'v_proj'] },
  data: { prompts: 'prompts.jsonl', eval_prompts: 'eval.jsonl', preferences },
  stages: [shortStage(kind), { ...defaultStage('evaluate'), samples_per_prompt: 2, max_new_tokens: 6 }],
});
const LORA = { r: 2, lora_alpha: 4, lora_dropout: 0, use_rslora: false };

let device: DeviceReport;
let model: LanguageModel;
beforeAll(async () => {
  device = await openDevice('wasm');
  model = await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
});

const run = async (of: Experiment): Promise<MemoryStore> => (await tinyRun(optionsOf(of))).store;
const optionsOf = (of: Experiment): TinyRun => ({ experiment: of, model, device, readData });
const metricsOf = (store: MemoryStore): MetricsRow[] => rowsOf(store, 'metrics.jsonl');

describe.each(choices().filter((kind) => kind !== 'ppo'))('%s', { timeout: 120_000 }, (kind) => {
  it('runs, is evaluated, and resumes to the same bytes', async () => {
    const experiment = experimentOf(kind);
    const whole = await run(experiment);
    expect(whole.files.has(`adapters/${kind}/adapter_model.safetensors`)).toBe(true);
    const report = JSON.parse(whole.text('report.json')) as Report;
    expect(Object.keys(report.evaluation)).toEqual(expect.arrayContaining(['base', kind]));
    expect(report.evaluation[kind]!['kl']!.value).not.toBe(0);
    for (const row of metricsOf(whole).filter(({ stage }) => stage === kind)) {
      const names = Object.keys(row).filter((name) => !['stage', 'step', 'seconds'].includes(name));
      expect(names.filter((name) => !metricOf(kind, name))).toEqual([]);
    }

    const left = await killedAt(kind, 3, optionsOf(experiment));
    await tinyRun({ ...optionsOf(experiment), store: left, resume: true });
    expect(outcome(left)).toEqual(outcome(whole));
  });
});

it.each([
  ['dpo', 'rewards/margins'],
  ['rloo', 'objective/kl'],
] as const)(
  '%s goes on from a given policy, held to what was before it',
  { timeout: 60_000 },
  async (kind, figure) => {
    const experiment = experimentOf(kind);
    const begun = await run(experiment);
    expect(metricsOf(begun)[0]![figure]).toBe(0);
    for (const [path, bytes] of begun.files) given.set(path, bytes);
    const on = { ...experiment.data, sft_model_path: 'base', policy_model_path: `adapters/${kind}` };
    expect(metricsOf(await run({ ...experiment, data: on }))[0]![figure]).not.toBe(0);
  },
);

it(
  'an adapter given beside its stage loses to it, and one of another kind is refused',
  { timeout: 60_000 },
  async () => {
    data['sft.jsonl'] = jsonl(words.map((word) => ({ prompt: `${word}:`, completion: word.toUpperCase() })));
    const only = (kind: StageKind, more: object = {}): Experiment => {
      const { data: shared, ...rest } = experimentOf(kind);
      return { ...rest, data: { ...shared, sft: 'sft.jsonl', ...more }, stages: [shortStage(kind)] };
    };
    const adapterOf = (store: MemoryStore, stage: string) =>
      store.files.get(`adapters/${stage}/adapter_model.safetensors`);
    const [begun, learnt] = [await run(only('sft')), await run(only('reward'))];
    for (const [path, bytes] of [...begun.files, ...learnt.files]) given.set(path, bytes);
    const wide = given.get('adapters/sft/adapter_config.json')!;
    const rank3 = new TextDecoder().decode(wide).replace('"r": 2', '"r": 3');
    given.set('adapters/wide/adapter_config.json', new TextEncoder().encode(rank3));
    given.set(
      'adapters/wide/adapter_model.safetensors',
      given.get('adapters/sft/adapter_model.safetensors')!,
    );
    const on = await run(only('sft', { sft_model_path: 'adapters/sft' }));
    expect(metricsOf(on)[0]!['loss'], 'SFT goes on from it').toBeLessThan(
      Number(metricsOf(begun)[0]!['loss']),
    );
    expect(adapterOf(on, 'sft')).not.toEqual(adapterOf(begun, 'sft'));
    const anew = await run(only('reward', { reward_model_path: 'adapters/reward' }));
    expect(adapterOf(anew, 'reward'), 'rewards are learnt anew').toEqual(adapterOf(learnt, 'reward'));

    // The first stage needs neither, and it is never come to.
    for (const [part, name, what] of [
      ['policy_model_path', 'adapters/reward', 'is "adapters/reward", which is a reward model and no policy'],
      ['reward_model_path', 'adapters/sft', 'is "adapters/sft", which is no reward model'],
      ['policy_model_path', 'adapters/wide', '("adapters/wide")/adapter_model.safetensors tensor'],
    ] as const) {
      const store = new MemoryStore();
      const some = only('sft', { sft_model_path: 'adapters/sft', [part]: name });
      await expect(tinyRun({ ...optionsOf(some), store })).rejects.toThrow(`data.${part} ${what}`);
      expect(store.files.has('metrics.jsonl'), what).toBe(false);
    }
  },
);

it('KTO learns from labelled completions as they are', { timeout: 60_000 }, async () => {
  const labelled = metricsOf(await run(experimentOf('kto', 'labels.jsonl')));
  const paired = metricsOf(await run(experimentOf('kto')));
  expect(labelled[0]!['loss']).toBe(0.5);
  expect(labelled[0]!['num_tokens']).not.toBe(paired[0]!['num_tokens']);
});

it('a pair without a prompt is refused by name', async () => {
  data['none.jsonl'] = jsonl([{ chosen: 'ab', rejected: 'cd' }]);
  await expect(run(experimentOf('dpo', 'none.jsonl'))).rejects.toMatchObject({ code: 'bad-data' });
});
