// The examples of docs/extending.md: the page shows them as they are, and each is added as the page says and run.
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { bigram } from '../../tests/extending/bigram';
import { rwr } from '../../tests/extending/rwr';
import { nodeDirectory } from '../../tests/node-files';
import { jsonl, rowsOf, tinyRun } from '../../tests/tiny-run';
import { openDevice } from '../engine/device';
import { normals } from '../engine/random';
import { disposeModel, loadModel } from '../model/load';
import { writeSafetensors } from '../model/safetensors';
import type { LanguageModel } from '../model/types';
import type { Experiment } from '../shared/experiment';
import { methodOf, STAGE_KINDS, type StageKind } from '../shared/methods';
import { metricOf } from '../shared/metrics';
import type { DeviceReport, MetricsRow, Report, SampleRow } from '../shared/protocol';
import { experimentSchema } from '../shared/schema';
import { parseExperiment } from '../shared/validate';
import { OPENERS } from './stages';
import { learningFromSamples } from './stages-samples';

// The rows, where docs/extending.md says that they go.
vi.mock('../shared/methods-sampling', async (original) => {
  const { SAMPLING_METHODS } = await original<{ SAMPLING_METHODS: object }>();
  const { RWR } = await import('../../tests/extending/rwr-row');
  return { SAMPLING_METHODS: { ...SAMPLING_METHODS, rwr: RWR } };
});
vi.mock('../shared/rules', async () => ({
  rules: { 'short-ending': (await import('../../tests/extending/short-ending')).shortEnding },
}));
vi.mock('../shared/measures', async (original) => {
  const { MEASURES } = await original<{ MEASURES: object[] }>();
  const { QUESTIONS } = await import('../../tests/extending/questions');
  return { MEASURES: [...MEASURES, QUESTIONS] };
});
vi.mock('../model/architectures', async (original) => {
  const { ARCHITECTURES } = await original<{ ARCHITECTURES: Map<string, object> }>();
  return {
    ARCHITECTURES: new Map([
      ...ARCHITECTURES,
      ['bigram', (await import('../../tests/extending/bigram')).bigram],
    ]),
  };
});
Object.assign(OPENERS, { rwr: learningFromSamples(rwr as never) });

const text = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const example = (name: string): string => text(`tests/extending/${name}`);

it('shows every example as it is', () => {
  const page = text('docs/extending.md');
  const blocks = [...page.matchAll(/^`(tests\/extending\/[\w.-]+)`\n\n```\w+\n([\s\S]*?)^```$/gm)];
  expect(blocks.length).toBe(9);
  for (const [, path, shown] of blocks) expect(shown, path).toBe(text(path!));
});

let device: DeviceReport;
let tiny: LanguageModel;
beforeAll(async () => {
  device = await openDevice('wasm');
  tiny = await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
});

const PROMPTS = ['ab', 'cd', 'ef', 'gh'].map((prompt) => ({ prompt }));
const data: Record<string, string> = {
  'p.jsonl': jsonl(PROMPTS),
  ...Object.fromEntries(
    ['pairs.jsonl', 'labels.jsonl', 'prompts.jsonl'].map((name) => [name, example(name)]),
  ),
};
const readData = ({ path }: { path: string }): Promise<Uint8Array | null> =>
  Promise.resolve(path in data ? new TextEncoder().encode(data[path]) : null);
const LORA = { r: 2, lora_alpha: 4, target_modules: ['q_proj', 'v_proj'] };

/** An experiment file with these stages, read and run as any other. */
async function runs(stages: object[], model = tiny, lora: object = LORA) {
  const file = {
    format: 1,
    model: 'tiny',
    lora,
    data: { prompts: 'p.jsonl', eval_prompts: 'p.jsonl' },
    stages,
  };
  const { experiment } = parseExperiment(JSON.stringify(file), 'experiment.json');
  return finished(experiment, model);
}

async function finished(experiment: Experiment, model = tiny) {
  const { store } = await tinyRun({ experiment, model, device, readData });
  return {
    rows: rowsOf<MetricsRow>(store, 'metrics.jsonl'),
    samples: rowsOf<SampleRow>(store, 'samples.jsonl'),
    report: JSON.parse(store.text('report.json')) as Report,
    markdown: store.text('report.md'),
  };
}

const short = {
  total_episodes: 16,
  per_device_train_batch_size: 8,
  max_completion_length: 6,
  learning_rate: 1e-2,
};
const evaluate = { kind: 'evaluate', samples_per_prompt: 4, max_new_tokens: 6 };

describe('a method', { timeout: 120_000 }, () => {
  const even = { reward: { kind: 'tokens', weights: { a: 1, e: 1, ' ': -1 } } };
  const kind = 'rwr' as StageKind;

  it('is a stage like any other: read, run, evaluated', async () => {
    const stage = { kind, ...short, ...even, total_episodes: 8 * 30, lr_scheduler_type: 'constant' };
    const { rows, report } = await runs([stage, evaluate]);
    const own = rows.filter((row) => row.stage === kind);
    expect(own).toHaveLength(30);
    const score = (some: MetricsRow[]) =>
      some.reduce((sum, row) => sum + (row['objective/scores'] as number), 0);
    expect(score(own.slice(-6))).toBeGreaterThan(score(own.slice(0, 6)));
    expect(Object.keys(report.evaluation)).toEqual(expect.arrayContaining(['base', kind]));
    const logged = Object.keys(own[0]!).filter((name) => !['stage', 'step', 'seconds'].includes(name));
    expect(logged.filter((name) => !metricOf(kind, name))).toEqual([]);
    expect(logged.sort()).toEqual(
      methodOf(kind)
        .metrics.map(({ name }) => name)
        .sort(),
    );
  });

  it('is known wherever methods are', () => {
    expect(STAGE_KINDS).toContain(kind);
    expect(JSON.stringify(experimentSchema())).toContain('rwr-stage');
    expect(metricOf(kind, 'effective_samples')?.try).toEqual(['beta', 'per_device_train_batch_size']);
    const file = { format: 1, data: { prompts: 'p.jsonl' }, stages: [{ kind, beta: 0, ...even }] };
    expect(() => parseExperiment(JSON.stringify(file), 'x.json')).toThrow('scores are divided by beta');
  });
});

it(
  'an architecture is loaded by its model_type, and LoRA learns in its linear layer',
  { timeout: 60_000 },
  async () => {
    const json = {
      model_type: 'bigram',
      hidden_size: 8,
      vocab_size: 97,
      max_position_embeddings: 64,
      eos_token_id: 0,
    };
    const config = bigram.parseConfig(json, 'config.json');
    const weights = Array.from(bigram.parameters(config), ([name, shape]) => {
      const values = normals(
        shape.reduce((a, b) => a * b, 1),
        1,
        name,
      );
      return [name, { shape, values: Float32Array.from(values) }] as const;
    });
    const files = new Map<string, Uint8Array>([
      ['config.json', new TextEncoder().encode(JSON.stringify(json))],
      ['model.safetensors', writeSafetensors(new Map(weights))],
    ]);
    const tokenizer = nodeDirectory('tests/fixtures/gpt-neo-tiny/model');
    const model = await loadModel('bigram', (path) => Promise.resolve(files.get(path) ?? tokenizer(path)));
    const letters = Object.fromEntries(Array.from('abcdefghijklm', (letter) => [letter, 1]));
    const reward = { reward: { kind: 'tokens', weights: letters } };
    const stage = { kind: 'reinforce', ...short, ...reward, beta: 0.05, total_episodes: 8 * 20 };
    const { rows } = await runs([stage], model, { ...LORA, target_modules: ['mix'] });
    expect(rows[0]!['grad_norm']).toBeGreaterThan(0);
    expect(rows[0]!['objective/kl']).toBe(0);
    expect(rows.at(-1)['objective/kl']).not.toBe(0);
    disposeModel(model);
  },
);

it('a reward is named in an experiment file and trained on', { timeout: 60_000 }, async () => {
  const reward = { reward: { kind: 'rule', name: 'short-ending' } };
  const { rows, samples } = await runs([{ kind: 'grpo', ...short, ...reward, num_generations: 4 }, evaluate]);
  expect(rows[0]!['rewards/short-ending/mean']).toBeGreaterThan(0);
  for (const { completion, reward: score, kl } of samples.filter((sample) => sample.kl !== undefined)) {
    expect(kl).toBeDefined();
    expect(score).toBe(1 / Math.max(1, completion.split(/\s+/).filter(Boolean).length));
  }
});

it('a metric is measured by every evaluation, with its interval', { timeout: 60_000 }, async () => {
  const { report, samples, markdown } = await runs([evaluate]);
  const asked = samples.filter(({ completion, kl }) => kl !== undefined && completion.includes('?')).length;
  const of = samples.filter(({ kl }) => kl !== undefined).length;
  const { value, low, high } = report.evaluation['base']!['questions']!;
  expect(value).toBeCloseTo(asked / of, 10);
  expect(low <= value && value <= high).toBe(true);
  expect(markdown).toMatch(/\| questions \| [\d.]+ %/);
  expect(metricOf('evaluate', 'questions')?.label).toBe('Asks something');
});

describe('a dataset', { timeout: 120_000 }, () => {
  const experiment = (changes: object) => {
    const file = JSON.parse(example('experiment.json')) as { data: object; stages: object[] };
    return parseExperiment(JSON.stringify({ ...file, lora: LORA, ...changes }), 'experiment.json');
  };

  it('is named by an experiment, which runs as it stands', async () => {
    const { experiment: own, warnings } = experiment({});
    expect(warnings).toEqual([]);
    const { rows, report } = await finished(own);
    expect(rows.filter(({ stage }) => stage === 'orpo')).toHaveLength(50);
    const [first, last] = [rows[0]!, rows[49]!].map((row) => row['loss'] as number);
    expect(last).toBeLessThan(first!);
    expect(Object.keys(report.evaluation)).toEqual(['base', 'orpo']);
  });

  it('of labelled completions feeds KTO', async () => {
    const few = { max_steps: 3, warmup_steps: 0, per_device_train_batch_size: 2, eval_fraction: 0 };
    const stages = [{ kind: 'kto', ...few }, evaluate];
    const named = { preferences: 'labels.jsonl', eval_prompts: 'prompts.jsonl' };
    const { rows } = await finished(experiment({ data: named, stages }).experiment);
    expect(rows.filter(({ stage }) => stage === 'kto')).toHaveLength(3);
    expect(rows[0]!['loss']).toBe(0.5);
  });
});
