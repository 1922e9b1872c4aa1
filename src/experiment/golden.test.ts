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

  const batch = { input_ids: [[1, 2, 3]], attention_mask: [[1, 1, 1]] };
  it.each([
    ['cases.json', '[]', 'cases.json: batch is missing.'],
    ['cases.json', '{"batch": 3}', 'cases.json: batch is not an object.'],
    ['cases.json', { batch: { input_ids: [[1], [1, 2]] } }, 'batch.input_ids[1] is not 1 whole numbers'],
    [
      'cases.json',
      { batch: { input_ids: [[1, 97]] } },
      'batch.input_ids[0] is not 2 whole numbers from 0 to 96',
    ],
    ['cases.json', { batch: { ...batch, attention_mask: [[1, 1]] } }, 'attention_mask has 1 rows of 2'],
    ['cases.json', { batch, sft: { loss: 1 } }, 'sft.completion_mask is not a list of rows.'],
    ['cases.json', { batch, sft: { completion_mask: [[0, 1]] } }, 'sft.completion_mask has 1 rows of 2'],
    [
      'cases.json',
      { batch, dpo: { completion_mask: [[0, 1, 1]], chosen_row: 0, rejected_row: 1 } },
      'dpo.rejected_row is no row of the 1 of the batch.',
    ],
    ['cases.json', { batch, reward: {} }, 'reward.rejected_row is no row'],
    ['cases.json', { batch, ppo_policy: {} }, 'ppo_policy.response_mask is not a list of rows.'],
    ['cases.json', { batch, greedy: { prompt: [] } }, 'greedy.prompt is not a list of at least 1 token ids'],
    [
      'cases.json',
      { batch, greedy: { prompt: [1, 2], output: [1] } },
      'greedy.output is not a list of at least 2',
    ],
    ['methods.json', '{', 'methods.json: batch is missing.'],
    [
      'methods.json',
      { batch: { ...batch, completion_mask: [[0, 1, 1]] }, advantages: [1], cases: [{ method: 'none' }] },
      'methods.json: cases[0] is no case of one of dpo,',
    ],
  ])('refuses a %s that is %j', async (file, content, message) => {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    const files = new Map([['cases.json', JSON.stringify({ batch })]]).set(file, text);
    const read: ReadFile = (path) => {
      const own = files.get(path);
      if (own !== undefined) return Promise.resolve(new TextEncoder().encode(own));
      return tiny(path.replace('methods.safetensors', 'cases.safetensors'));
    };
    await expect(runGolden(read)).rejects.toMatchObject({
      code: 'bad-data',
      message: expect.stringContaining(message) as string,
    });
  });

  it.each([
    ['{"ids": [1]}', 'golden.json: it is not a list of texts.'],
    ['[{"ids": [1]}]', 'golden.json: [0] has no "token_logprobs".'],
    ['[{"ids": [512], "token_logprobs": []}]', 'golden.json: [0].ids is not a list of at least 1 token ids'],
  ])('refuses a golden.json that is %s', async (content, message) => {
    const stories = nodeDirectory('tests/fixtures/llama-stories260K');
    const read: ReadFile = (path) =>
      path === 'golden.json' ? Promise.resolve(new TextEncoder().encode(content)) : stories(path);
    await expect(runGolden(read)).rejects.toThrow(message);
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
