// The engine against PyTorch on both backends: every case of the golden directory, and the bundled model's
// log-probabilities and greedy text.

import { afterEach, describe, expect, test } from 'vitest';
import { onDeviceProblem, openDevice } from '../src/engine/device';
import { tf } from '../src/engine/tf';
import { runGolden } from '../src/experiment/golden';
import { generate } from '../src/model/generate';
import { disposeModel, loadModel } from '../src/model/load';
import { completionLogprobs } from '../src/model/logprobs';
import type { PlaygroundError } from '../src/shared/errors';
import { directory } from './browser-files';
import stories from './fixtures/stories-neo.json';

const problems: PlaygroundError[] = [];
onDeviceProblem((problem) => problems.push(problem));
afterEach(() => {
  expect(problems.splice(0)).toEqual([]);
});

describe.each(['wasm', 'webgpu'] as const)('%s', (backend) => {
  test.each([
    ['gpt-neo-tiny', 116],
    ['gpt-neo-odd', 164],
  ])('every golden tensor of %s within 1e-4 of its largest value', async (name, count) => {
    await openDevice(backend);
    await tf.ready();
    const before = tf.memory().numTensors;
    const rows = await runGolden(directory(`fixtures/${name}`));
    expect(rows).toHaveLength(count);
    expect(rows.filter(({ error }) => !(error <= 1e-4))).toEqual([]);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('the bundled model gives PyTorch’s log-probabilities and greedy text', async () => {
    await openDevice(backend);
    const before = tf.memory().numTensors;
    const model = await loadModel('stories-neo', directory('../models/stories-neo'));
    for (const { ids, token_logprobs: expected, greedy_40: greedy } of stories) {
      const batch = {
        ids: Int32Array.from(ids),
        mask: new Int32Array(ids.length).fill(1),
        completion: Int32Array.from(ids, (_, i) => (i === 0 ? 0 : 1)),
        batch: 1,
        length: ids.length,
      };
      const result = tf.tidy(() => completionLogprobs(model, null, batch, { temperature: 1 }).logprobs); // [1, T]
      const actual = (await result.data()).slice(1);
      result.dispose();
      const largest = Math.max(...expected.map(Math.abs));
      const error = Math.max(...expected.map((value, t) => Math.abs(value - actual[t]!))) / largest;
      expect(error).toBeLessThanOrEqual(1e-4);
      const { tokens } = await generate(model, null, [ids], {
        maxNewTokens: greedy.length,
        minNewTokens: 0,
        temperature: 0,
        topK: 0,
        topP: 1,
        seed: 0,
        streams: [0],
      });
      expect(tokens[0]).toEqual(greedy);
    }
    disposeModel(model);
    expect(tf.memory().numTensors).toBe(before);
  });
});
