import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { openDevice } from '../engine/device';
import { tf } from '../engine/tf';
import { disposeModel, loadModel } from '../model/load';
import { completionLogprobs } from '../model/logprobs';
import type { CompletionBatch, LanguageModel } from '../model/types';
import { pack } from './packing';

const documents = fc.array(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 }), { minLength: 1 });
const places = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 2, max: 12 }));

/** All documents, in as many batches as it takes. */
function packAll(texts: number[][], rows: number, length: number): CompletionBatch[] {
  const batches: CompletionBatch[] = [];
  let cursor = { document: 0, token: 0 };
  while (cursor.document < texts.length) {
    const { batch, next } = pack((i) => texts[i] ?? null, cursor, rows, length);
    batches.push(batch);
    cursor = next;
  }
  return batches;
}

/** Each row's parts, as they stand in it. */
const partsOf = ({ ids, mask, batch, length }: CompletionBatch): { at: number; ids: number[] }[] =>
  Array.from({ length: batch }, (_, row) => {
    const segments = mask.subarray(row * length, (row + 1) * length);
    return Array.from({ length: Math.max(...segments) }, (_, s) => {
      const at = row * length + segments.indexOf(s + 1);
      const count = segments.filter((segment) => segment === s + 1).length;
      return { at, ids: [...ids.subarray(at, at + count)] };
    });
  }).flat();

describe('packing', () => {
  it('predicts every token but the first of each document once, in order', () => {
    fc.assert(
      fc.property(documents, places, (texts, [rows, length]) => {
        const batches = packAll(texts, rows, length);
        const predicted = batches.flatMap(({ ids, completion }) => [...ids].filter((_, i) => completion[i]));
        expect(predicted).toEqual(texts.flatMap((text) => text.slice(1)));
        for (const batch of batches) {
          for (const { at, ids } of partsOf(batch)) {
            expect(ids.length).toBeGreaterThanOrEqual(2);
            expect([...batch.completion.subarray(at, at + ids.length)]).toEqual(
              ids.map((_, i) => Number(i > 0)),
            );
          }
        }
      }),
    );
  });

  it('leaves at most the last place of a row empty while there is text', () => {
    const texts = Array.from({ length: 9 }, (_, i) => Array.from({ length: 2 + i }, () => i + 1));
    const { batch } = pack((i) => texts[i % 9]!, { document: 0, token: 0 }, 4, 11);
    for (let row = 0; row < 4; row++) expect(batch.mask.subarray(row * 11, row * 11 + 10)).not.toContain(0);
  });

  it('goes on from its cursor as if never stopped', () => {
    const texts = (i: number): number[] => Array.from({ length: 1 + ((7 * i) % 13) }, (_, k) => i + k);
    const whole = pack(texts, { document: 0, token: 0 }, 6, 8);
    const first = pack(texts, { document: 0, token: 0 }, 2, 8);
    const rest = pack(texts, first.next, 4, 8);
    expect([...first.batch.ids, ...rest.batch.ids]).toEqual([...whole.batch.ids]);
    expect(rest.next).toEqual(whole.next);
  });
});

describe.each([
  'gpt-neo-odd', // a window, learned places
  'llama-odd', // rotary places
])('a packed row of %s', (name) => {
  let model: LanguageModel;
  beforeAll(async () => {
    await openDevice('wasm');
    model = await loadModel(name, nodeDirectory(`tests/fixtures/${name}/model`));
  });
  afterAll(() => disposeModel(model));

  it('gives each document the log-probabilities it has alone', { timeout: 60_000 }, () => {
    const logprobs = (batch: CompletionBatch): Float32Array =>
      tf.tidy(() =>
        completionLogprobs(model, null, batch, { temperature: 1 }).logprobs.dataSync<'float32'>(),
      );
    fc.assert(
      fc.property(documents, fc.integer({ min: 2, max: 24 }), (texts, length) => {
        for (const batch of packAll(texts, 3, length)) {
          const packed = logprobs(batch);
          for (const { at, ids } of partsOf(batch)) {
            const alone = logprobs({
              ids: Int32Array.from(ids),
              mask: new Int32Array(ids.length).fill(1),
              completion: Int32Array.from(ids, (_, i) => Number(i > 0)),
              batch: 1,
              length: ids.length,
            });
            alone.forEach((value, i) => expect(Math.abs(value - packed[at + i]!)).toBeLessThan(2e-5));
          }
        }
      }),
      { numRuns: 15 },
    );
  });
});
