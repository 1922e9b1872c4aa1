// A pass of which few rows are read against the whole one: the same states and the same gradients, in every architecture.
import { beforeAll, expect, it } from 'vitest';
import { bigram } from '../../tests/extending/bigram';
import { nodeDirectory } from '../../tests/node-files';
import { placeRows } from '../engine/ops/place-rows';
import { hash32, normals } from '../engine/random';
import { tf } from '../engine/tf';
import { hiddenStates } from './forward';
import { disposeModel, loadModel } from './load';
import type { Adapter } from './lora';
import { readPeft } from './peft';
import type { LanguageModel, TokenBatch } from './types';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const batch: TokenBatch = {
  ids: Int32Array.of(5, 9, 2, 7, 1, 4, 8, 8, 3, 0),
  mask: Int32Array.of(1, 1, 1, 1, 1, 1, 1, 1, 1, 0),
  batch: 2,
  length: 5,
};
/** Some rows, one of them none and one of padding; and more than there are. */
const FEW = Int32Array.of(1, 3, -1, 8, 9);
const MANY = Int32Array.of(...FEW, ...new Int32Array(7).fill(-1));

/** Texts that begin alike: of each row where its own tokens begin, the prompt it has, and its tokens in all. */
const ALIKE = [
  [0, 1, 20],
  [0, 1, 24],
  [3, 2, 15],
  [0, 1, 9],
  [6, 2, 18],
  [0, 3, 2],
] as const;
const PROMPT = 8;
const WIDTH = 24;

/** The last row is two documents, which begin like two of the others. */
function alike(): TokenBatch {
  const [ids, mask] = [0, 1].map(() => new Int32Array((ALIKE.length + 1) * WIDTH)) as [
    Int32Array,
    Int32Array,
  ];
  const idOf = (prompt: number, row: number, t: number): number =>
    1 + (hash32(prompt, t < PROMPT ? 0 : row + 1, t) % 9);
  ALIKE.forEach(([start, prompt, length], row) => {
    for (let t = 0; t < length; t++) {
      ids[row * WIDTH + start + t] = idOf(prompt, row, t);
      mask[row * WIDTH + start + t] = 1;
    }
  });
  const documents = ALIKE.length * WIDTH;
  for (let t = 0; t < 20; t++) {
    ids[documents + t] = t < 9 ? idOf(1, 90, t) : idOf(2, 91, t - 9);
    mask[documents + t] = t < 9 ? 1 : 2;
  }
  return { ids, mask, batch: ALIKE.length + 1, length: WIDTH };
}

/** What follows each prompt, its last token among them, which rows that begin alike share. */
const AFTER = Int32Array.from(
  [...ALIKE.keys()]
    .flatMap((row) => {
      const [start, , length] = ALIKE[row]!;
      return Array.from(
        { length: Math.max(1, length - PROMPT + 1) },
        (_, i) => row * WIDTH + start + Math.min(PROMPT - 1, length - 1) + i,
      );
    })
    .concat(-1, ALIKE.length * WIDTH + 8, ALIKE.length * WIDTH + 19),
);

/** States of `rows`, picked by the pass or out of all, and the gradients of the adapter. */
function computed(
  model: LanguageModel,
  adapter: Adapter | null,
  rows: Int32Array,
  whole: boolean,
  batch: TokenBatch,
): number[][] {
  const states = () =>
    whole
      ? placeRows(hiddenStates(model, adapter, batch), rows)
      : hiddenStates(model, adapter, batch, null, rows); // [R, C]
  // −1 and padding give any state: only that it is finite is asked.
  const real = tf.tensor2d(
    Float32Array.from(rows, (row) => Number(batch.mask[row]! > 0)),
    [rows.length, 1],
  ); // [R, 1]
  const loss = () => {
    const read = states();
    expect(read.dataSync().every(Number.isFinite)).toBe(true);
    const weights = tf.tensor2d(normals(read.size, 'dy'), read.shape);
    return tf.sum<tf.Scalar>(tf.mul(tf.mul(read, real), weights));
  };
  const values = tf.tidy(() => {
    const outputs: tf.Tensor[] = [tf.mul(states(), real)];
    if (adapter)
      outputs.push(...Object.values(tf.variableGrads(loss, [...adapter.variables.values()]).grads));
    // −0 is 0.
    return outputs.map((output) => Array.from(output.dataSync(), (value) => value + 0));
  });
  real.dispose();
  return values;
}

it.each(['gpt-neo-odd', 'gpt2-odd', 'llama-odd', 'mistral-odd', 'gpt-neox-odd', 'gpt-neox-serial'])(
  '%s reads some rows as it reads all',
  { timeout: 60_000 },
  async (name) => {
    const model = await loadModel(name, nodeDirectory(`tests/fixtures/${name}/model`));
    const adapter = await readPeft(model, nodeDirectory(`tests/fixtures/${name}/adapter`), 'adapter');
    for (const gradientCheckpointing of [false, true]) {
      for (const [rows, of] of [
        [FEW, batch],
        [MANY, batch],
        [AFTER, alike()],
      ] as const) {
        const speaker = { ...model, gradientCheckpointing };
        const [few, all] = [false, true].map((whole) => computed(speaker, adapter, rows, whole, of)) as [
          number[][],
          number[][],
        ];
        expect(few.slice(1).some((values) => values.some((value) => value !== 0))).toBe(true);
        few.forEach((values, i) => {
          const largest = Math.max(1e-3, ...all[i]!.map(Math.abs));
          values.forEach((value, k) =>
            expect(Math.abs(value - all[i]![k]!)).toBeLessThanOrEqual(1e-6 * largest),
          );
        });
      }
    }
    adapter.dispose();
    disposeModel(model);
  },
);

it('an architecture that knows nothing of it has its rows picked', () => {
  const config = bigram.parseConfig(
    { hidden_size: 4, vocab_size: 10, max_position_embeddings: 8, eos_token_id: null },
    'config.json',
  );
  const weights = new Map(
    Array.from(bigram.parameters(config), ([name, shape]) => {
      const size = tf.util.sizeFromShape(shape);
      return [name, tf.tensor(normals(size, name), shape)] as const;
    }),
  );
  const model: LanguageModel = {
    ...{ name: 'bigram', architecture: bigram, config, weights, tokenizer: null, parameters: 96 },
  };
  expect(computed(model, null, FEW, false, batch)).toEqual(computed(model, null, FEW, true, batch));
  tf.dispose([...weights.values()]);
});
