import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tf } from '../../src/engine/tf.ts';
import { ARCHITECTURES } from '../../src/model/architectures/index.ts';
import { disposeModel, loadModel } from '../../src/model/load.ts';
import { createTokenizer } from '../../src/model/tokenizer.ts';
import { makeModel } from './make-model.ts';
import { standInTokenizer } from './make-tokenizer.ts';
import { presets } from './model-presets.ts';

const folder = mkdtempSync(join(tmpdir(), 'make-model-test-'));
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(async () => {
  await tf.setBackend('cpu');
});

// What the hub's own pages and papers say, in millions.
test.each([
  ['gpt-neo-125m', 125.2],
  ['gpt2', 124.4],
  ['distilgpt2', 81.9],
  ['smollm-135m', 134.5],
  ['smollm-360m', 361.8],
  ['pythia-70m', 70.4],
  ['pythia-160m', 162.3],
  ['stories-neo', 5.9],
] as const)('%s has its true number of parameters', (preset, millions) => {
  const config: Record<string, unknown> = presets[preset];
  const architecture = ARCHITECTURES.get(config['model_type'] as string)!;
  const shapes = architecture.parameters(architecture.parseConfig(config, 'config.json'));
  const count = [...shapes.values()].reduce((sum, shape) => sum + tf.util.sizeFromShape(shape), 0);
  expect(count / 1e6).toBeCloseTo(millions, 1);
});

test('a made model loads, and the same seed makes the same bytes', async () => {
  await makeModel({ preset: 'gpt-neo-tiny', out: folder, seed: 3 });
  const first = readFileSync(join(folder, 'model.safetensors'));
  await makeModel({ preset: 'gpt-neo-tiny', out: folder, seed: 3 });
  expect(readFileSync(join(folder, 'model.safetensors')).equals(first)).toBe(true);
  const model = await loadModel('made', (path) => {
    const file = join(folder, path);
    return Promise.resolve(existsSync(file) ? new Uint8Array(readFileSync(file)) : null);
  });
  expect(model.config).toMatchObject({ architecture: 'gpt_neo', width: 32, vocabulary: 97, eosId: 0 });
  expect(model.tokenizer?.vocabulary).toBe(97);
  disposeModel(model);
});

test.each([
  [97, 0],
  [4096, 0],
  [49152, 0],
  [50304, 50303],
])('the tokenizer of %i ids takes any text and gives it back', async (vocabulary, eos) => {
  const files = standInTokenizer(vocabulary, eos);
  const texts = Object.values(files).map((json) => JSON.stringify(json)) as [string, string];
  const tokenizer = await createTokenizer(...texts, 'made');
  expect(tokenizer).toMatchObject({ vocabulary, eosId: eos });
  for (const text of ['Once upon a time, there was a dog.', vocabulary > 97 ? 'Zażółć — 日本' : 'x = {1}']) {
    const ids = tokenizer.encode(text, { special: true });
    expect(tokenizer.decode(ids, { skipSpecial: true })).toBe(text);
  }
  for (const id of [1, vocabulary - 2]) expect(tokenizer.decode([id], { skipSpecial: true })).not.toBe('');
  expect(tokenizer.decode([5, eos], { skipSpecial: true })).toBe(
    tokenizer.decode([5], { skipSpecial: true }),
  );
});
