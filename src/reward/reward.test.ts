// The three sources of a reward: a model's score, a written rule, weights of tokens.
import { beforeAll, expect, it, vi } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { openDevice } from '../engine/device';
import { tf } from '../engine/tf';
import { disposeModel, loadModel } from '../model/load';
import { Adapter } from '../model/lora';
import type { LanguageModel } from '../model/types';
import { rewardFunction } from '.';

let model: LanguageModel;
const rowOf = (text: string, eos = true) => ({
  prompt: 'ab',
  promptIds: [65, 66],
  tokens: [...model.tokenizer!.encode(text, { special: false }), ...(eos ? [0] : [])],
});

beforeAll(async () => {
  await openDevice('wasm');
  model = await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
});

it('tokens: the sum of the weights of the completion’s tokens, EOS only if named', async () => {
  const plain = rewardFunction({ kind: 'tokens', weights: { a: 1, b: -0.5 } }, model, null);
  expect(await plain([rowOf('abca'), rowOf('xyz'), rowOf('')])).toEqual([1.5, 0, 0]);
  const named = rewardFunction({ kind: 'tokens', weights: { '<|endoftext|>': 2 } }, model, null);
  expect(await named([rowOf('abca'), rowOf('a', false)])).toEqual([2, 0]);
});

it('tokens: a text that is not one token never counts, and that is told', async () => {
  const warn = vi.fn();
  const weights = { a: 1, ' b': -0.5, xy: 2 };
  const some = rewardFunction({ kind: 'tokens', weights }, model, null, warn);
  expect(await some([rowOf('abca b'), rowOf('xy')])).toEqual([2, 0]);
  expect(warn.mock.calls).toEqual([
    [
      expect.stringContaining('names " b", "xy"') as string,
      expect.stringContaining('whole tokens') as string,
    ],
  ]);
});

it('tokens: a leading space counts where the decoder strips it from the beginning of a text', async () => {
  const llama = await loadModel('llama', nodeDirectory('tests/fixtures/llama-stories260K'));
  const warn = vi.fn();
  const some = rewardFunction({ kind: 'tokens', weights: { a: 1, ' was': -0.5, was: 8 } }, llama, null, warn);
  const tokens = llama.tokenizer!.encode('She was a a', { special: false });
  expect(tokens.map((id) => llama.tokenizer!.textOf(id)).join('')).toBe(' She was a a');
  expect(await some([{ prompt: '', promptIds: [1], tokens }])).toEqual([-0.5]);
  expect(warn.mock.calls.flat()[0]).toContain('names "was"');
  disposeModel(llama);
});

it('rule: reads the text without special tokens; an unknown one is refused with the names there are', async () => {
  const kind = rewardFunction({ kind: 'rule', name: 'kind-ending' }, model, null);
  expect(await kind([rowOf('xx'), rowOf('happy')])).toEqual([0, 1]);
  expect(() => rewardFunction({ kind: 'rule', name: 'kind' }, model, null)).toThrow(
    'There is no rule "kind"',
  );
});

it('model: gain · score + bias, whatever else is in the batch', async () => {
  const lora = { r: 2, lora_alpha: 4, lora_dropout: 0, target_modules: ['q_proj'], use_rslora: false };
  const adapter = Adapter.create(model, lora, 1, { head: true });
  const before = tf.memory().numTensors;
  const rows = ['abc', 'defghij', 'k'].map((text) => rowOf(text));
  const raw = await rewardFunction({ kind: 'model' }, model, { adapter, gain: 1, bias: 0 })(rows);
  const scaled = await rewardFunction({ kind: 'model' }, model, { adapter, gain: 2, bias: -1 })(rows);
  raw.forEach((score, i) => expect(scaled[i]).toBeCloseTo(2 * score - 1, 10));
  const [alone] = await rewardFunction({ kind: 'model' }, model, { adapter, gain: 1, bias: 0 })([rows[2]!]);
  expect(alone).toBeCloseTo(raw[2]!, 5);
  expect(tf.memory().numTensors).toBe(before);
  expect(() => rewardFunction({ kind: 'model' }, model, null)).toThrow('no reward stage');
  adapter.dispose();
});
