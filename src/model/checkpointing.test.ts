import { beforeAll, expect, it } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { tf } from '../engine/tf';
import { sftLoss } from '../train/losses';
import { accumulateGradients } from '../train/optimizer';
import { disposeModel, loadModel } from './load';
import { completionLogprobs } from './logprobs';
import { readPeft } from './peft';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const batch = {
  ids: Int32Array.of(5, 9, 2, 7, 1, 4, 8, 8, 3, 0),
  mask: Int32Array.of(1, 1, 1, 1, 1, 1, 1, 1, 1, 0),
  completion: Int32Array.of(0, 0, 1, 1, 1, 0, 1, 1, 1, 0),
  batch: 2,
  length: 5,
};

it.each([
  ['gpt-neo-odd', 'adapter'],
  ['gpt2-odd', 'adapter'],
  ['llama-odd', 'adapter'],
  ['gpt-neox-odd', 'adapter'],
  ['gpt-neo-dora', 'adapter'],
  ['gpt-neo-dora', 'model'],
])(
  '%s has the same loss and gradients when blocks are computed twice, through its %s',
  { timeout: 60_000 },
  async (name, trained) => {
    const model = await loadModel(name, nodeDirectory(`tests/fixtures/${name}/model`));
    const adapter = await readPeft(model, nodeDirectory(`tests/fixtures/${name}/${trained}`), 'adapter');
    const before = tf.memory().numTensors;
    const gradients = async (gradientCheckpointing: boolean) => {
      const of = { ...model, gradientCheckpointing };
      const loss = () =>
        sftLoss(completionLogprobs(of, adapter, batch, { temperature: 1, dropout: 3 }).logprobs, 6);
      const tensors = accumulateGradients(loss, [...adapter.variables.values()], null);
      const values = await Promise.all(tensors.map((tensor) => tensor.data()));
      tf.dispose(tensors);
      return values.map((value) => [...value]);
    };
    const [whole, twice] = [await gradients(false), await gradients(true)];
    expect(whole.flat().some((value) => value !== 0)).toBe(true);
    whole.forEach((values, i) => {
      const largest = Math.max(...values.map(Math.abs));
      values.forEach((value, k) =>
        expect(Math.abs(value - twice[i]![k]!)).toBeLessThanOrEqual(1e-6 * largest),
      );
    });
    expect(tf.memory().numTensors).toBe(before);
    adapter.dispose();
    disposeModel(model);
  },
);
