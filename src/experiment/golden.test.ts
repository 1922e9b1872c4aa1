import { beforeAll, describe, expect, it } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { tf } from '../engine/tf';
import { runGolden } from './golden';

describe('golden', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  it('agrees with PyTorch on the reference ops', async () => {
    const before = tf.memory().numTensors;
    const rows = await runGolden(nodeDirectory('tests/fixtures/gpt-neo-tiny'));
    expect(rows.filter(({ error }) => !(error <= 1e-4))).toEqual([]);
    expect(tf.memory().numTensors).toBe(before);
  });
});
