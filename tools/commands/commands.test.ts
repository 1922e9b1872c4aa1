import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lendAdapter, lendModel } from '../files.ts';
import { generateOptions } from './generate.ts';
import { table } from './golden.ts';
import { lendExperiment, readExperiment } from './experiment.ts';
import { parseKillAt } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'commands-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = join(folder, 'experiment.json');
const stages = [{ kind: 'sft' }, { kind: 'sft' }];
writeFileSync(join(folder, 'rows.jsonl'), '{"prompt":"a","completion":"b"}\n');

function experiment(changes: object) {
  writeFileSync(file, JSON.stringify({ format: 1, data: { sft: 'rows.jsonl' }, stages, ...changes }));
  return readExperiment(file);
}

test('paths of an experiment are relative to its file and lent one by one', () => {
  const { experiment: lent, mounts } = lendExperiment(experiment({}), file);
  expect(lent.data.sft).toBe('/files/data-sft/rows.jsonl');
  expect(mounts['data-sft']).toEqual({ directory: folder, writable: false, only: ['rows.jsonl'] });
});

test('builtin data stays as it is, and so does the bare model', () => {
  const data = { sft: 'builtin:kind-endings/sft', sft_model_path: 'base' };
  const { experiment: lent, mounts } = lendExperiment(experiment({ data }), file);
  expect(lent.data).toEqual(data);
  expect(mounts).toEqual({});
});

test.each([
  [{ data: { sft: 'none.jsonl' } }, 'data.sft is "none.jsonl". There is no file'],
  [{ data: { sft: '.' } }, 'data.sft is ".". There is no file'],
  [{ data: { sft: 'builtin:none/sft' } }, 'data.sft is "builtin:none/sft". The playground ships no data set'],
  [{ data: { sft: 'builtin:kind-endings/sft_model' } }, 'The playground ships no data set of that name.'],
  [
    { data: { sft: 'rows.jsonl', sft_model_path: 'builtin:kind-endings/sft' } },
    'ships no adapter of that name',
  ],
  [
    { data: { sft: 'rows.jsonl', sft_model_path: 'none' } },
    'not an adapter in PEFT layout: there is no such',
  ],
  [{ data: { sft: 'rows.jsonl', sft_model_path: '.' } }, 'layout: it has no adapter_config.json.'],
  [{ model: 'bundled:none' }, 'model is "bundled:none". There is no model bundled:none.'],
  [{ model: 'none' }, 'not a model in Hugging Face layout: there is no such directory.'],
])('what %j names is not there, which is told with file, line and field', (changes, message) => {
  const told = (): unknown => lendExperiment(experiment(changes), file);
  expect(told).toThrow(message);
  expect(told).toThrow(`${file}, line 1: `);
});

test.each([
  [
    { lora: { target_modules: ['q_proj', 'c_porj'] } },
    'lora.target_modules[1] is "c_porj", and bundled:stories-neo has no linear layer of that name.',
    'It may be one of: q_proj, k_proj, v_proj, out_proj, c_fc, c_proj. Did you mean "c_proj"?',
  ],
  [
    { lora: { target_modules: ['attn'] }, data: { sft: 'rows.jsonl', sft_model_path: 'base' } },
    'lora.target_modules[0] is "attn", and',
    'It may be one of: q_proj, k_proj, v_proj, out_proj, c_fc, c_proj.',
  ],
  [
    {
      data: { text: 'rows.jsonl' },
      lora: { use_peft: false },
      stages: [{ kind: 'pretrain', max_length: 8000 }],
    },
    'stages[0].max_length is 8000, and the context of bundled:stories-neo is 512 tokens.',
    'Lower it to 512 or less.',
  ],
  [
    { data: { prompts: 'rows.jsonl' }, stages: [{ kind: 'pairs' }, { kind: 'pairs', max_new_tokens: 512 }] },
    'stages[1].max_new_tokens is 512, and the context of bundled:stories-neo is 512 tokens, prompt included.',
    'Lower it to 511 or less.',
  ],
])('what of %j does not fit the model is told by line and field', (changes, message, fix) => {
  expect(() => lendExperiment(experiment(changes), file)).toThrow(
    expect.objectContaining({
      code: 'bad-experiment',
      message: expect.stringContaining(`${file}, line 1: ${message}`) as string,
      fix,
    }),
  );
});

test.each([
  { lora: { target_modules: ['attention.q_proj', 'transformer.h.0.mlp.c_fc'] } },
  // Nothing is made anew from these names.
  { lora: { target_modules: ['none'], use_peft: false } },
  {
    lora: { target_modules: ['none'] },
    data: { sft: 'rows.jsonl', sft_model_path: 'builtin:kind-endings/sft_model' },
  },
  {
    lora: { target_modules: ['none'] },
    data: { eval_prompts: 'rows.jsonl' },
    stages: [{ kind: 'evaluate' }],
  },
])('%j fits', (changes) => {
  expect(() => lendExperiment(experiment(changes), file)).not.toThrow();
});

test('a damaged config.json is told by its file', () => {
  mkdirSync(join(folder, 'damaged'));
  writeFileSync(join(folder, 'damaged/config.json'), '{"model_type":');
  writeFileSync(join(folder, 'damaged/model.safetensors'), '');
  expect(() => lendExperiment(experiment({ model: 'damaged' }), file)).toThrow(
    `${join(folder, 'damaged/config.json')} is not a JSON object`,
  );
});

test('--kill-at takes a stage of the experiment and a step', () => {
  const given = experiment({});
  expect(parseKillAt('sft-2:5', given)).toEqual({ stage: 'sft-2', step: 5 });
  for (const wrong of ['ppo:5', 'sft', 'sft:0', 'sft:x', 'sft-3:1']) {
    expect(() => parseKillAt(wrong, given)).toThrow('--kill-at');
  }
});

test('a model is bundled, of the hub or a directory, and what is none of these is refused', () => {
  for (const name of ['bundled:stories-neo', 'hf:a/b@main'])
    expect(lendModel(name)).toEqual({ model: name, base: name, mounts: {} });
  expect(() => lendModel('bundled:none')).toThrow('no model bundled:none');
  expect(() => lendModel(folder)).toThrow('no config.json');
  expect(() => lendModel('stories-neo', folder)).toThrow(
    expect.objectContaining({ fix: 'Did you mean bundled:stories-neo?' }),
  );
  mkdirSync(join(folder, 'model'));
  writeFileSync(join(folder, 'model/config.json'), '{}');
  expect(() => lendModel('model', folder)).toThrow(
    'it has no model.safetensors and no model.safetensors.index.json',
  );
  writeFileSync(join(folder, 'model/model.safetensors'), '');
  const { model, base, mounts } = lendModel('model', folder);
  expect([model, base]).toEqual(['dir:/files/model', 'model']);
  expect(lendModel(join(folder, 'model')).base).toBe('model');
  expect(mounts['model']).toEqual({ directory: join(folder, 'model'), writable: false });
});

test('an adapter is a PEFT directory or none', () => {
  expect(lendAdapter(null)).toEqual({ adapter: null, mounts: {} });
  expect(() => lendAdapter(folder)).toThrow('no adapter_config.json');
});

test('the golden table marks what is above the tolerance, or not a number', () => {
  const row = (tensor: string, error: number) => ({ case: 'batch', tensor, error });
  const rows = [row('logits', 3e-6), row('entropy', 2e-4), row('loss', NaN)];
  const lines = table({ backend: 'wasm', rows }).split('\n');
  expect(lines.filter((line) => line.includes('MISS')).map((line) => line.split(/\s+/)[1])).toEqual([
    'entropy',
    'loss',
  ]);
});

test('generate refuses a least length above the greatest', () => {
  const values = {
    'max-new-tokens': 8,
    'min-new-tokens': 8,
    temperature: 1,
    'top-k': 0,
    'top-p': 1,
    seed: 0,
  };
  expect(generateOptions(values)).toMatchObject({ maxNewTokens: 8, minNewTokens: 8 });
  expect(() => generateOptions({ ...values, 'min-new-tokens': 9 })).toThrow('--min-new-tokens is 9');
});
