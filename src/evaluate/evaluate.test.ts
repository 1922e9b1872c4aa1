// The KL of an evaluation is that of the distribution it samples.
import { beforeAll, expect, it, vi } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { openDevice } from '../engine/device';
import { tf } from '../engine/tf';
import { hiddenStates, logits } from '../model/forward';
import { loadModel } from '../model/load';
import { Adapter } from '../model/lora';
import type { LanguageModel } from '../model/types';
import { defaultStage } from '../shared/validate';
import { evaluate, evaluationBatches, type EvaluationContext } from './evaluate';

vi.mock('./judge', () => ({ judge: () => ({ happy: false, score: 0 }) }));

let model: LanguageModel;
beforeAll(async () => {
  await openDevice('wasm');
  model = await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
});

/** Log-probability of what follows the prompt, at a temperature, by the whole vocabulary. */
function logprob(adapter: Adapter | null, ids: readonly number[], promptLength: number, temperature: number) {
  return tf.tidy(() => {
    const batch = {
      ids: Int32Array.from(ids),
      mask: new Int32Array(ids.length).fill(1),
      batch: 1,
      length: ids.length,
    };
    const all = tf.logSoftmax(
      tf.div(logits(model, hiddenStates(model, adapter, batch), adapter), temperature),
    ); // [T, V]
    const rows = all.arraySync() as number[][];
    return ids.slice(promptLength).reduce((sum, id, t) => sum + rows[promptLength - 1 + t]![id]!, 0);
  });
}

it.each([1, 0.6])('at temperature %f', async (temperature) => {
  const settings = {
    r: 2,
    lora_alpha: 4,
    lora_dropout: 0,
    target_modules: ['q_proj', 'v_proj'],
    use_rslora: false,
  };
  const adapter = Adapter.create(model, settings, 1);
  for (const variable of adapter.variables.values())
    variable.assign(tf.randomNormal(variable.shape, 0, 0.3, 'float32', 5));
  const prompt = { text: 'ab', ids: [65, 66] };
  const context: EvaluationContext = {
    ...{
      model,
      name: 'evaluate',
      seed: 1,
      prompts: [prompt, prompt, prompt],
      reward: null,
      studied: null,
    },
    candidates: [
      { name: 'base', adapter: null },
      { name: 'moved', adapter },
    ],
    reference: 'base',
  };
  const stage = { ...defaultStage('evaluate'), samples_per_prompt: 2, max_new_tokens: 6, temperature };
  const samples = [];
  for await (const some of evaluate(context, stage, 0)) samples.push(...some);
  expect(samples.map(({ checkpoint }) => checkpoint)).toEqual([
    ...Array<string>(6).fill('base'),
    ...Array<string>(6).fill('moved'),
  ]);
  for (const { checkpoint, token_ids, kl } of samples) {
    const ids = [...prompt.ids, ...token_ids];
    const apart = logprob(adapter, ids, 2, temperature) - logprob(null, ids, 2, temperature);
    expect(kl).toBeCloseTo(checkpoint === 'base' ? 0 : apart, 3);
    if (checkpoint === 'moved') expect(Math.abs(kl)).toBeGreaterThan(0.01);
  }
  adapter.dispose();
});

it('draws again for the opponents of best-of-n, and 16 times in all from what is studied', () => {
  const candidates = ['base', 'sft', 'ppo'].map((name) => ({ name, adapter: null }));
  const more = (studied: string | null, reward: EvaluationContext['reward'] = () => Promise.resolve([])) => {
    const context = {
      model,
      name: '',
      seed: 1,
      prompts: [],
      candidates,
      reference: 'sft',
      reward,
      studied,
    };
    const batches = evaluationBatches({ ...context, prompts: [{ text: '', ids: [1] }] }, 4);
    return batches.slice(3).map(({ checkpoint, draws }) => [checkpoint, draws[0], draws.length]);
  };
  expect(more(null)).toEqual([['sft-opponent', 4, 1]]);
  expect(more('sft')).toEqual([['sft-opponent', 4, 12]]);
  expect(more('base')).toEqual([
    ['base-opponent', 4, 12],
    ['sft-opponent', 4, 1],
  ]);
  expect(more(null, null)).toEqual([]);
});
