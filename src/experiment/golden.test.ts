import { beforeAll, describe, expect, it } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { tf } from '../engine/tf';
import type { ReadFile } from '../model/types';
import { runGolden } from './golden';

const tiny = nodeDirectory('tests/fixtures/gpt-neo-tiny');

describe('golden', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  // All six linear layers, rsLoRA, BF16 in two shards, a window of 3, clipped gradients: make_golden.py, seed 12. The
  // methods' losses and gradients: make_method_golden.py.
  it('agrees with PyTorch on the reference ops', { timeout: 60_000 }, async () => {
    const before = tf.memory().numTensors;
    const rows = await runGolden(nodeDirectory('tests/fixtures/gpt-neo-odd'));
    expect(rows).toHaveLength(564);
    expect(rows.filter(({ error }) => !(error <= 1e-4))).toEqual([]);
    expect(tf.memory().numTensors).toBe(before);
  });

  // With and without biases, [out, in] and GPT-2's [in, out]; the second with rsLoRA's scale. All weights:
  // make_full_golden.py.
  it.each([
    ['gpt-neo-dora', 190],
    ['gpt2-dora', 150],
  ])('agrees with PyTorch on DoRA and on full fine-tuning: %s', { timeout: 60_000 }, async (name, count) => {
    const rows = await runGolden(nodeDirectory(`tests/fixtures/${name}`));
    expect(rows).toHaveLength(count);
    expect(rows.filter(({ tensor }) => tensor.includes('magnitude')).length).toBeGreaterThan(20);
    expect(rows.filter(({ error }) => !(error <= 1e-4))).toEqual([]);
  });

  it('sees a wrong number, and checks what is there only', { timeout: 60_000 }, async () => {
    const cases = JSON.parse(new TextDecoder().decode((await tiny('cases.json'))!)) as Record<
      string,
      unknown
    >;
    const { batch, reward } = cases;
    const changed = { batch, reward: { ...(reward as object), loss: 0.21 } };
    const read: ReadFile = (path) =>
      path === 'cases.json' ? Promise.resolve(new TextEncoder().encode(JSON.stringify(changed))) : tiny(path);
    const rows = await runGolden(read);
    expect([...new Set(rows.map((row) => row.case))]).toEqual(['base', 'adapter', 'reward']);
    const wrong = rows.filter(({ error }) => !(error <= 1e-4));
    expect(wrong).toEqual([{ case: 'reward', tensor: 'loss', error: expect.closeTo(0.0293, 3) as number }]);
  });

  it('names what is missing', async () => {
    const without = (name: string): ReadFile => {
      return (path) => (path.startsWith(name) ? Promise.resolve(null) : tiny(path));
    };
    await expect(runGolden(without('cases.json'))).rejects.toThrow('the golden directory has no cases.json');
    await expect(runGolden(without('model/'))).rejects.toThrow('model has no config.json');
    await expect(runGolden(without('adapter/'))).rejects.toThrow('adapter has no adapter_config.json');
  });
});
