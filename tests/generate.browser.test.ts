// Generation on the real backends: the sampler's frequencies against the model's own probabilities (χ²), and the
// cached path's log-probabilities against the training path's.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDevice } from '../src/engine/device';
import { tf } from '../src/engine/tf';
import { hiddenStates, logits } from '../src/model/forward';
import { generate, type SamplingOptions } from '../src/model/generate';
import { disposeModel, loadModel } from '../src/model/load';
import { completionLogprobs } from '../src/model/logprobs';
import type { Adapter } from '../src/model/lora';
import { readPeft } from '../src/model/peft';
import type { LanguageModel } from '../src/model/types';
import { directory } from './browser-files';

const plain: SamplingOptions = {
  maxNewTokens: 1,
  minNewTokens: 0,
  temperature: 1,
  topK: 0,
  topP: 1,
  seed: 3,
  streams: [],
};
const prompts = [
  [12, 30, 71, 67, 70, 15, 41],
  [83],
  [11, 94, 25, 79, 73, 96, 42, 1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
];

describe.each(['wasm', 'webgpu'] as const)('%s', (backend) => {
  let model: LanguageModel;
  let adapter: Adapter;

  beforeAll(async () => {
    await openDevice(backend);
    model = await loadModel('tiny', directory('fixtures/gpt-neo-tiny/model'));
    adapter = await readPeft(model, directory('fixtures/gpt-neo-tiny/adapter'), 'adapter');
  });

  afterAll(() => {
    adapter.dispose();
    disposeModel(model);
  });

  /** Log-probabilities of `ids` after `prompt` by the training path. */
  async function trainingPath(prompt: readonly number[], ids: readonly number[]): Promise<Float32Array> {
    const all = [...prompt, ...ids];
    const batch = {
      ids: Int32Array.from(all),
      mask: new Int32Array(all.length).fill(1),
      completion: Int32Array.from(all, (_, i) => (i < prompt.length ? 0 : 1)),
      batch: 1,
      length: all.length,
    };
    const result = tf.tidy(() => completionLogprobs(model, adapter, batch, { temperature: 1 }).logprobs);
    const values = (await result.data()) as Float32Array;
    result.dispose();
    return values.slice(prompt.length);
  }

  test('the cached path gives the log-probabilities of the training path', async () => {
    const options = { ...plain, maxNewTokens: 24, minNewTokens: 24, streams: [0, 1, 2] };
    const drawn = await generate(model, adapter, prompts, options);
    for (const [row, prompt] of prompts.entries()) {
      const trained = await trainingPath(prompt, drawn.tokens[row]!);
      expect(drawn.logprobs[row]).toHaveLength(24);
      trained.forEach((value, t) => expect(Math.abs(value - drawn.logprobs[row]![t]!)).toBeLessThan(1e-4));
    }
  });

  test('ends a row with its EOS, not before the minimum, and stops when all rows have ended', async () => {
    const ending = (tokens: number[]) => tokens.indexOf(0);
    const streams = Array.from({ length: 64 }, (_, i) => i);
    const rows = streams.map(() => [12, 30]);
    const free = await generate(model, null, rows, { ...plain, maxNewTokens: 40, streams });
    const ended = free.tokens.filter((tokens) => ending(tokens) >= 0);
    expect(ended.length).toBeGreaterThan(0);
    for (const tokens of free.tokens) {
      expect(tokens).toHaveLength(ending(tokens) < 0 ? 40 : ending(tokens) + 1);
    }
    const held = await generate(model, null, rows, { ...plain, maxNewTokens: 40, minNewTokens: 30, streams });
    for (const tokens of held.tokens) expect(ending(tokens) === -1 || ending(tokens) >= 30).toBe(true);
    const endless: LanguageModel = { ...model, config: { ...model.config, eosId: null } };
    const through = await generate(endless, null, rows, { ...plain, maxNewTokens: 40, streams });
    expect(through.tokens.every((tokens) => tokens.length === 40)).toBe(true);
    expect(through.tokens.some((tokens) => ending(tokens) >= 0 && ending(tokens) < 39)).toBe(true);
  });

  /** Next-token probabilities as the options change them, in float64 from the training path's logits. */
  async function expected(prompt: number[], { temperature, topK, topP }: SamplingOptions): Promise<number[]> {
    const batch = {
      ids: Int32Array.from(prompt),
      mask: new Int32Array(prompt.length).fill(1),
      batch: 1,
      length: prompt.length,
    };
    const all = tf.tidy(() => logits(model, hiddenStates(model, adapter, batch))); // [T, V]
    const z = (await all.array()).at(-1)!;
    all.dispose();
    const weights = z.map((value) => Math.exp(value / temperature));
    const order = weights.map((_, id) => id).sort((a, b) => weights[b]! - weights[a]!);
    const kept = order.slice(0, topK || undefined);
    const total = kept.reduce((sum, id) => sum + weights[id]!, 0);
    const p = new Array<number>(weights.length).fill(0);
    let reached = 0;
    for (const id of kept) {
      if (reached >= topP) break;
      p[id] = weights[id]! / total;
      reached += p[id];
    }
    return p.map((value) => value / reached);
  }

  test.each([
    ['plain', {}],
    ['temperature', { temperature: 0.6 }],
    ['top-k', { topK: 7 }],
    ['top-p', { topP: 0.8 }],
    ['all three', { temperature: 1.5, topK: 20, topP: 0.9 }],
  ])('a first token is drawn as the model says: χ², %s', async (_, change) => {
    const options = { ...plain, ...change };
    for (const prompt of prompts.slice(0, 2)) {
      const drawn: number[] = [];
      for (let first = 0; first < 3000; first += 250) {
        const streams = Array.from({ length: 250 }, (__, i) => first + i);
        const rows = streams.map(() => prompt);
        const { tokens } = await generate(model, adapter, rows, { ...options, streams });
        drawn.push(...tokens.map((row) => row[0]!));
      }
      expect(chiSquare(drawn, await expected(prompt, options))).toBeLessThan(3.9); // p ≈ 5e-5
    }
  });

  test('the first sample of the first row is drawn as the model says, over seeds: χ²', async () => {
    const drawn: number[] = [];
    for (let seed = 0; seed < 500; seed++) {
      const { tokens } = await generate(model, adapter, [prompts[1]!], { ...plain, seed, streams: [0] });
      drawn.push(tokens[0]![0]!);
    }
    expect(chiSquare(drawn, await expected(prompts[1]!, plain))).toBeLessThan(3.9);
  });

  test('a second token is drawn as the model says after each first: χ²', async () => {
    const streams = Array.from({ length: 2000 }, (_, i) => i);
    const rows = streams.map(() => prompts[1]!);
    const { tokens } = await generate(model, adapter, rows, { ...plain, maxNewTokens: 2, topK: 2, streams });
    const firsts = [...new Set(tokens.map(([first]) => first!))].filter(
      (first) => first !== model.config.eosId,
    );
    expect(firsts.length).toBeGreaterThan(0);
    for (const first of firsts) {
      const seconds = tokens.filter((row) => row[0] === first).map((row) => row[1]!);
      const p = await expected([...prompts[1]!, first], { ...plain, topK: 2 });
      expect(chiSquare(seconds, p)).toBeLessThan(3.9);
    }
  });
});

/** Pearson's χ² over tokens (the rare ones together) as a standard normal (Wilson & Hilferty 1931); ∞ if p is 0 somewhere. */
function chiSquare(drawn: readonly number[], p: readonly number[]): number {
  const counts = p.map(() => 0);
  for (const id of drawn) counts[id]! += 1;
  if (counts.some((count, id) => count > 0 && p[id] === 0)) return Infinity;
  const bins: [number, number][] = [];
  let rest: [number, number] = [0, 0];
  p.forEach((share, id) => {
    const bin: [number, number] = [counts[id]!, share * drawn.length];
    if (bin[1] >= 5) bins.push(bin);
    else rest = [rest[0] + bin[0], rest[1] + bin[1]];
  });
  if (rest[1] >= 5) bins.push(rest);
  const freedom = bins.length - 1;
  const chi2 = bins.reduce((sum, [count, mean]) => sum + (count - mean) ** 2 / mean, 0);
  const spread = 2 / (9 * freedom);
  return (Math.cbrt(chi2 / freedom) - (1 - spread)) / Math.sqrt(spread);
}
