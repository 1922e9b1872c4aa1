// What packed weights cost is nothing where nothing is packed, grows the fewer bits are kept, and is told only of rows
// that are there.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import type { ReadBytes } from '../data/sources';
import { openDevice } from '../engine/device';
import { tf } from '../engine/tf';
import { disposeModel, loadModel } from '../model/load';
import type { LanguageModel } from '../model/types';
import { type DataSettings, type Experiment, QUANTIZATIONS, type Quantization } from '../shared/experiment';
import type { Reading } from './first-rows';
import { packingCost } from './packing-cost';

const tiny = nodeDirectory('tests/fixtures/gpt-neo-tiny/model');
const load = (quantization: Quantization): Promise<LanguageModel> =>
  loadModel('gpt-neo-tiny', tiny, undefined, quantization);
const reading = (model: LanguageModel, data: DataSettings, readData: ReadBytes): Reading => ({
  model,
  experiment: { data } as Experiment,
  readData,
});
const rows = (lines: object[]): ReadBytes => {
  const bytes = new TextEncoder().encode(lines.map((line) => JSON.stringify(line)).join('\n'));
  return () => Promise.resolve(bytes);
};

let whole: LanguageModel;
beforeAll(async () => {
  await openDevice('wasm');
  whole = await load('none');
});
afterAll(() => disposeModel(whole));

test('each packing has its price, in the order of its bits, and leaves nothing behind', async () => {
  const read = rows(
    Array.from({ length: 20 }, (_, i) => ({ prompt: `Row ${i} of a story.`, completion: ' It ends well.' })),
  );
  const before = tf.memory().numTensors;
  const found: number[] = [];
  for (const quantization of QUANTIZATIONS) {
    const packed = await load(quantization);
    const cost = await packingCost(whole, reading(packed, { sft: 'rows.jsonl' }, read));
    disposeModel(packed);
    expect(cost.texts).toBe(12);
    expect(cost.tokens).toBeGreaterThan(12 * 5);
    expect(cost.perplexity.reference).toBeGreaterThan(1);
    expect(cost.agreement).toBeGreaterThan(0.5);
    found.push(cost.kl);
  }
  const [none, float16, int8, nf4, double] = found as [number, number, number, number, number];
  expect(Math.abs(none)).toBeLessThan(1e-6);
  expect(float16).toBeLessThan(int8);
  expect(int8).toBeLessThan(nf4);
  expect(nf4).toBeGreaterThan(1e-5);
  expect(Math.abs(double - nf4)).toBeLessThan(0.2 * nf4);
  expect(tf.memory().numTensors).toBe(before);
});

test('rows with problems are passed over, for those of the next part if need be; none at all is said', async () => {
  const sources: Record<string, ReadBytes> = {
    'sft.jsonl': rows([{ prompt: 'No completion.' }]),
    'prompts.jsonl': rows([{ prompt: 5 }, { prompt_ids: [5, 6, 7] }]),
  };
  const read: ReadBytes = (source) => sources[source.path]!(source);
  const data = { sft: 'sft.jsonl', prompts: 'prompts.jsonl' };
  expect(await packingCost(whole, reading(whole, data, read))).toMatchObject({ texts: 1, tokens: 2 });
  const none = packingCost(whole, reading(whole, { sft: 'sft.jsonl' }, read));
  await expect(none).rejects.toThrow(/no rows of at least two tokens/);
});
