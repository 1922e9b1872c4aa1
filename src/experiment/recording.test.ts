import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../../tests/memory-store';
import { floats, parseSafetensors, writeSafetensors } from '../model/safetensors';
import { PlaygroundError } from '../shared/errors';
import { toHalves } from '../shared/half';
import type { FirstRowsByPart } from '../shared/first-rows';
import type { SampleRow } from '../shared/protocol';
import { isRecording, readHead, readRecording, writeRecording } from '../shared/recording';
import { parseExperiment } from '../shared/validate';
import { packRun } from './recording';

const { experiment } = parseExperiment(
  JSON.stringify({
    format: 1,
    name: 'small',
    data: { sft: 'builtin:kind-endings/sft', prompts: 'builtin:kind-endings/prompts' },
    stages: [
      { kind: 'sft' },
      { kind: 'pairs', count: 60 },
      { kind: 'ppo', reward: { kind: 'tokens', weights: { a: 1 } } },
    ],
  }),
  'small.json',
);
const model = { name: 'tiny', architecture: 'gpt_neo', parameters: 10, vocabulary: 5, context: 8 };
const interval = { value: 0.5, low: 0.25, high: 0.75 };
const report = {
  name: 'small',
  seed: 1,
  backend: 'wasm' as const,
  device: 'CPU',
  seconds: { sft: 1.5, ppo: 2 },
  evaluation: { base: { happy: interval }, ppo: { happy: interval } },
  comparisons: { 'ppo>sft': { win_rate: interval, differences: { happy: interval } } },
  findings: { reward: { accuracy: interval } },
};
const tokens = { text: [' a', ' b'], logprob: [-1.25, -0.5], ref_logprob: [-1, -0.5], advantage: [0.1, 2] };
const sample = (checkpoint: string, prompt: string, more: object = {}): SampleRow => ({
  checkpoint,
  prompt,
  completion: 'a b',
  token_ids: [1, 2],
  seed: 3,
  ...more,
});

const pair = (i: number) => ({
  ...{ prompt: `p${i}`, chosen: 'b', rejected: 'c' },
  ...{ prompt_ids: [i], chosen_ids: [2], rejected_ids: [3, 4], flipped: i % 2 === 0 },
});
const ROWS: FirstRowsByPart = {
  sft: {
    total: 900,
    rows: [{ line: 1, fields: { prompt: 'a', completion: 'b' } }],
    texts: [[{ field: 'completion', tokens: ['a', 'b', ''], prompt: 1, kept: 3, ends: [2] }]],
  },
};
const change = { stage: 'ppo', step: 1, key: 'kl_coef', value: 0.1 };
const values = new Float32Array([0.1, -0.2, 1 / 3, 1e-7, 0, 65504, -3.14159, 2 ** -24]);

function finishedRun(samples: SampleRow[], metrics: object[]): MemoryStore {
  const store = new MemoryStore();
  const write = (path: string, text: string): void =>
    void store.files.set(path, new TextEncoder().encode(text));
  const lines = (rows: object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  write('metrics.jsonl', lines(metrics));
  write('samples.jsonl', lines(samples));
  write('changes.jsonl', lines([change]));
  write('report.json', JSON.stringify(report));
  const others = (i: number) => [pair(i), { ...pair(i), chosen: 'd' }];
  write('pairs.jsonl', lines(Array.from({ length: 60 }, (_, i) => others(i)).flat()));
  write('rows.json', JSON.stringify(ROWS));
  for (const stage of ['sft', 'ppo']) {
    write(`adapters/${stage}/adapter_config.json`, '{"peft_type": "LORA"}\n');
    const tensor = { shape: [2, 4], values };
    store.files.set(
      `adapters/${stage}/adapter_model.safetensors`,
      writeSafetensors(new Map([['base_model.model.x', tensor]])),
    );
  }
  return store;
}

const METRICS = [
  { stage: 'sft', step: 1, loss: 2.6023175716400146, num_tokens: 1234567, seconds: 1.2902749999994412 },
  { stage: 'ppo', step: 1, 'objective/kl': 0, 'policy/clipfrac_avg': 0.06123662181198597 },
];
const watched = [sample('base', 'Once', { tokens }), sample('sft@25', 'Once', { tokens })];
const packed = () => packRun(finishedRun(watched, METRICS), experiment, model);

describe('a packed run', () => {
  it('comes back with its experiment, report, model, samples and token columns', async () => {
    const { run } = readRecording(await packed(), 'x');
    expect(run).toMatchObject({ experiment, report, model, samples: watched, changes: [change] });
  });

  it('brings along the first rows it learnt from, and for a sitting of judging a pair of each prompt', async () => {
    const { rows, pairs } = readRecording(await packed(), 'x').run;
    expect(rows).toEqual(ROWS);
    expect(pairs).toEqual(Array.from({ length: 40 }, (_, i) => pair(i)));
    const without = finishedRun(watched, METRICS);
    for (const path of ['rows.json', 'pairs.jsonl']) without.files.delete(path);
    expect(readRecording(await packRun(without, experiment, null), 'x').run).toMatchObject({
      rows: {},
      pairs: [],
    });
  });

  it('keeps metrics to five digits and whole numbers whole', async () => {
    const { metrics } = readRecording(await packed(), 'x').run;
    expect(metrics).toEqual([
      { stage: 'sft', step: 1, loss: 2.6023, num_tokens: 1234567, seconds: 1.2903 },
      { stage: 'ppo', step: 1, 'objective/kl': 0, 'policy/clipfrac_avg': 0.061237 },
    ]);
  });

  it('keeps adapters as float16, each number within half a unit of its last place', async () => {
    const { adapters } = readRecording(await packed(), 'x');
    expect([...adapters.keys()]).toEqual(
      ['ppo', 'sft'].flatMap((stage) => [
        `${stage}/adapter_config.json`,
        `${stage}/adapter_model.safetensors`,
      ]),
    );
    const file = parseSafetensors(adapters.get('sft/adapter_model.safetensors')!, 'sft');
    expect(file.tensors.get('base_model.model.x')?.dtype).toBe('F16');
    floats(file, 'base_model.model.x').forEach((value, i) => {
      const exact = values[i]!;
      expect(Math.abs(value - exact)).toBeLessThanOrEqual(Math.max(Math.abs(exact) * 2 ** -11, 2 ** -25));
    });
  });

  it('is the same bytes when a packed run is packed again', async () => {
    const bytes = await packed();
    const { run, adapters } = readRecording(bytes, 'x');
    expect(writeRecording({ run, adapters })).toEqual(bytes);
  });

  it('keeps what was watched, and of the evaluation the first completion of a few prompts', async () => {
    const evaluated = Array.from({ length: 60 }, (_, i) =>
      sample('ppo', `Prompt ${Math.floor(i / 2)}`, { kl: 0.5, seed: i }),
    );
    const opponents = [sample('sft-opponent', 'Prompt 0', { kl: 0 })];
    const store = finishedRun([...watched, ...evaluated, ...opponents], METRICS);
    const { samples } = readRecording(await packRun(store, experiment, model), 'x').run;
    expect(samples.slice(0, 2)).toEqual(watched);
    expect(samples.slice(2).map(({ seed }) => seed)).toEqual(Array.from({ length: 24 }, (_, i) => 2 * i));
  });

  it('leaves out the models of a run that trained all weights', async () => {
    const store = finishedRun(watched, METRICS);
    store.files.set('adapters/sft/model.safetensors', new Uint8Array(9));
    const whole = { ...experiment, lora: { ...experiment.lora, use_peft: false } };
    const { run, adapters } = readRecording(await packRun(store, whole, model), 'x');
    expect([run.metrics.length, adapters.size]).toEqual([2, 0]);
  });

  it('may be unfinished, and is refused before its first step', async () => {
    const store = finishedRun(watched, METRICS);
    store.files.delete('report.json');
    expect(readRecording(await packRun(store, experiment, null), 'x').run.report).toBeNull();
    await expect(packRun(new MemoryStore(), experiment, null)).rejects.toThrow('nothing to record');
  });
});

describe('a recording of format 1, made when it was the only one', () => {
  const bytes = readFileSync(
    new URL('../../tests/fixtures/recordings/kind-endings-tiny.recording', import.meta.url),
  );

  it('opens', () => {
    const { run, adapters } = readRecording(bytes, 'x');
    expect(run.experiment.name).toBe('kind-endings-tiny');
    expect(run.metrics.at(-1)).toMatchObject({ stage: 'evaluate', step: 16 });
    expect(run.samples.filter(({ tokens }) => tokens).length).toBeGreaterThan(0);
    expect(run).toMatchObject({ rows: {}, pairs: [] });
    expect(Object.keys(run.report?.evaluation ?? {})).toEqual(['base', 'sft', 'ppo', 'best-of-1']);
    for (const [path, file] of adapters) {
      if (path.endsWith('.safetensors')) expect(parseSafetensors(file, path).tensors.size).toBeGreaterThan(0);
    }
  });
});

const shipped = new URL('../../public/recorded/', import.meta.url);

it.each(readdirSync(shipped))('%s ships in 1.5 MB with adapters, rows and pairs', (name) => {
  const bytes = readFileSync(new URL(name, shipped));
  expect(bytes.length).toBeLessThanOrEqual(1_500_000);
  const { run, adapters } = readRecording(bytes, name);
  for (const stage of ['sft', 'reward', 'ppo'])
    expect(adapters.has(`${stage}/adapter_model.safetensors`), stage).toBe(true);
  expect(run.report).not.toBeNull();
  expect(Object.keys(run.rows)).toEqual(['sft', 'prompts', 'eval_prompts']);
  for (const { rows, texts } of Object.values(run.rows))
    expect([rows.length, texts.length]).toEqual([15, 15]);
  expect(new Set(run.pairs.map(({ prompt }) => prompt)).size).toBe(40);
});

describe('reading', () => {
  it('shows the run as soon as the first line is there', async () => {
    const bytes = await packed();
    const end = bytes.indexOf(10) + 1;
    expect(readHead(bytes.subarray(0, end - 1), 'x')).toBeNull();
    expect(readHead(bytes.subarray(0, end), 'x')?.run.report).toEqual(report);
  });

  it('knows a recorded experiment from an experiment file', async () => {
    expect(isRecording(await packed())).toBe(true);
    expect(isRecording(new TextEncoder().encode(JSON.stringify(experiment)))).toBe(false);
  });

  it('refuses a file that was not copied whole, or has too much', async () => {
    const bytes = await packed();
    expect(() => readRecording(bytes.subarray(0, bytes.length - 5), 'x')).toThrow('5 fewer bytes');
    expect(() => readRecording(new Uint8Array([...bytes, 1]), 'x')).toThrow('1 more bytes');
  });

  /** The message for a file whose first line was changed. */
  async function refusal(change: (head: Record<string, unknown>) => void): Promise<string> {
    const bytes = await packed();
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(10)))) as Record<
      string,
      unknown
    >;
    change(head);
    try {
      readRecording(new TextEncoder().encode(`${JSON.stringify(head)}\n`), 'x.recording');
    } catch (error) {
      expect(error).toBeInstanceOf(PlaygroundError);
      return (error as PlaygroundError).message;
    }
    return '';
  }

  it.each<[string, (head: Record<string, unknown>) => void]>([
    ['format is 2', (head) => (head['format'] = 2)],
    ['kind is missing', (head) => delete head['kind']],
    ['metrics is {}', (head) => (head['metrics'] = {})],
    ['metrics[1].step is -1', (head) => Object.assign((head['metrics'] as object[])[1]!, { step: -1 })],
    ['metrics[0].loss is null', (head) => Object.assign((head['metrics'] as object[])[0]!, { loss: null })],
    [
      'metrics[0].stage is "dpo"',
      (head) => Object.assign((head['metrics'] as object[])[0]!, { stage: 'dpo' }),
    ],
    ['samples[0].prompt is 5', (head) => Object.assign((head['samples'] as object[])[0]!, { prompt: 5 })],
    [
      'samples[1].tokens.logprob.length is 1',
      (head) => Object.assign((head['samples'] as object[])[1]!, { tokens: { ...tokens, logprob: [-1] } }),
    ],
    ['report.seconds.sft is "long"', (head) => (head['report'] = { ...report, seconds: { sft: 'long' } })],
    [
      'report.evaluation.base.happy.low is missing',
      (head) => (head['report'] = { ...report, evaluation: { base: { happy: { value: 1, high: 1 } } } }),
    ],
    ['adapters[0].path is "../x"', (head) => (head['adapters'] = [{ path: '../x', length: 0 }])],
    [
      'adapters[0].path is "dpo/adapter',
      (head) => (head['adapters'] = [{ path: 'dpo/adapter_config.json', length: 0 }]),
    ],
    ['changes[0].value is "x"', (head) => (head['changes'] = [{ ...change, value: 'x' }])],
    ['model.parameters is "many"', (head) => (head['model'] = { ...model, parameters: 'many' })],
    ['rows.sft.total is "all"', (head) => (head['rows'] = { sft: { ...ROWS.sft, total: 'all' } })],
    ['rows.sft.texts[0] is {}', (head) => (head['rows'] = { sft: { ...ROWS.sft, texts: [{}] } })],
    ['pairs[1].flipped is 1', (head) => (head['pairs'] = [pair(0), { ...pair(1), flipped: 1 }])],
    ['seed', (head) => Object.assign(head['experiment'] as object, { seed: 'x' })],
  ])('says what is wrong: %s', async (message, change) => {
    expect(await refusal(change)).toContain(message);
  });
});

describe('float16', () => {
  it('gives every half back, and rounds to the nearest', () => {
    const halves = Uint16Array.from({ length: 0x7c00 }, (_, bits) => bits);
    const file = writeSafetensors(new Map([['all', { shape: [halves.length], values: halves }]]));
    const numbers = floats(parseSafetensors(file, 'x'), 'all');
    expect(toHalves(numbers)).toEqual(halves);
    expect(toHalves(numbers.map((value) => -value)).subarray(1)).toEqual(
      halves.map((bits) => bits | 0x8000).subarray(1),
    );
    fc.assert(
      fc.property(fc.float({ min: 0, max: 65503, noNaN: true }), (value) => {
        const bits = toHalves(new Float32Array([value]))[0]!;
        const distance = (at: number): number => Math.abs(numbers[at]! - value);
        expect(distance(bits)).toBeLessThanOrEqual(
          Math.min(distance(Math.max(0, bits - 1)), distance(Math.min(0x7bff, bits + 1))),
        );
      }),
    );
  });
});
