import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lendAdapter, lendModel } from '../files.ts';
import { generateOptions } from './generate.ts';
import { table } from './golden.ts';
import { lendExperiment, parseKillAt, readExperiment } from './run.ts';

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

test('builtin data stays as it is', () => {
  const { experiment: lent, mounts } = lendExperiment(
    experiment({ data: { sft: 'builtin:kind-endings/sft' } }),
    file,
  );
  expect(lent.data.sft).toBe('builtin:kind-endings/sft');
  expect(mounts).toEqual({});
});

test('a data file that is not there is named with its field', () => {
  const missing = experiment({ data: { sft: 'none.jsonl' } });
  expect(() => lendExperiment(missing, file)).toThrow(/data\.sft is "none\.jsonl"/);
});

test('--kill-at takes a stage of the experiment and a step', () => {
  const given = experiment({});
  expect(parseKillAt('sft-2:5', given)).toEqual({ stage: 'sft-2', step: 5 });
  for (const wrong of ['ppo:5', 'sft', 'sft:0', 'sft:x', 'sft-3:1']) {
    expect(() => parseKillAt(wrong, given)).toThrow('--kill-at');
  }
});

test('a model is bundled, of the hub or a directory, and what is none of these is refused', () => {
  expect(lendModel('bundled:stories-neo')).toEqual({ model: 'bundled:stories-neo', mounts: {} });
  expect(lendModel('hf:a/b@main')).toEqual({ model: 'hf:a/b@main', mounts: {} });
  expect(() => lendModel('bundled:none')).toThrow('no model bundled:none');
  expect(() => lendModel(folder)).toThrow('no config.json');
  mkdirSync(join(folder, 'model'));
  writeFileSync(join(folder, 'model/config.json'), '{}');
  const { model, mounts } = lendModel('model', folder);
  expect(model).toBe('dir:/files/model');
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
