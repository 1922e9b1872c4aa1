// Generation on the real backends: the sampler's frequencies against the model's own probabilities (χ²), and the
// cached path's log-probabilities against the training path's.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { uniform } from '../src/engine/random';
import { tf } from '../src/engine/tf';
import { computeAs } from '../src/engine/webgpu/adapter';
import { hiddenStates, logits } from '../src/model/forward';
import { generate, type SamplingOptions } from '../src/model/generate';
import { disposeModel, loadModel } from '../src/model/load';
import { completionLogprobs } from '../src/model/logprobs';
import type { Adapter } from '../src/model/lora';
import { readPeft } from '../src/model/peft';
import type { LanguageModel } from '../src/model/types';
import { directory } from './browser-files';
import { errorOf, sampled, useDevice } from './kernels';

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

// Fewer draws on WebGPU, which here is a software adapter.
describe.each([
  { device: 'wasm', rounds: 16, rows: 250, calls: 300 },
  { device: 'webgpu', rounds: 2, rows: 500, calls: 40 },
] as const)('$device', ({ device, rounds, rows: width, calls }) => {
  useDevice(device);
  let model: LanguageModel;
  let adapter: Adapter;

  beforeAll(async () => {
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
    const streams = Array.from({ length: 24 }, (_, i) => i);
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

  test.runIf(device === 'webgpu')(
    'tokens read late, as from a GPU, are the same, and none is left',
    { timeout: 180_000 },
    async () => {
      const streams = Array.from({ length: 5 }, (_, i) => i);
      const options = { ...plain, maxNewTokens: 21, topP: 0.9, streams };
      const rows = streams.map((i) => [12, 30 + (i % 3)]);
      const draw = () => generate(model, adapter, rows, options);
      const at = await draw();
      const before = tf.memory().numTensors;
      computeAs({ software: false });
      try {
        const late = await draw();
        expect(late.tokens).toEqual(at.tokens);
        late.logprobs.forEach((row, i) => expect(errorOf(row, at.logprobs[i]!)).toBeLessThan(1e-4));
        expect(at.tokens.some(({ length }) => length < 21)).toBe(true);
        expect(tf.memory().numTensors).toBe(before);
        const aborted = new AbortController();
        const stopped = generate(model, adapter, rows, { ...options, signal: aborted.signal });
        aborted.abort(); // while the first tokens are under way
        await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
        expect(tf.memory().numTensors).toBe(before);
      } finally {
        computeAs({ software: true });
      }
    },
  );

  /** The model's logits for the token after `prompt`, [V]. */
  async function nextLogits(prompt: readonly number[]): Promise<Float32Array> {
    const batch = {
      ids: Int32Array.from(prompt),
      mask: new Int32Array(prompt.length).fill(1),
      batch: 1,
      length: prompt.length,
    };
    const all = tf.tidy(() => logits(model, hiddenStates(model, adapter, batch))); // [T, V]
    const values = (await all.data()) as Float32Array;
    all.dispose();
    return values.slice(-model.config.vocabulary);
  }

  /** `rounds` × `rows` draws from one row of logits, each round one call of the sampler. */
  async function draw(
    z: Float32Array,
    options: SamplingOptions,
    rows: number,
    rounds: number,
  ): Promise<number[]> {
    const drawn: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const tiled = tf.tidy(() => tf.tile(tf.tensor2d(z, [1, z.length]), [rows, 1])); // [rows, V]
      const draws = Float32Array.from({ length: rows }, (_, row) => uniform(options.seed, round, row));
      drawn.push(...(await sampled(tiled, draws, { ...options, bannedId: -1 })).ids);
      tiled.dispose();
    }
    return drawn;
  }

  test.each([
    ['plain', {}],
    ['temperature', { temperature: 0.6 }],
    ['top-k', { topK: 7 }],
    ['top-p', { topP: 0.8 }],
    ['all three', { temperature: 1.5, topK: 20, topP: 0.9 }],
  ])('tokens are drawn as the model says: χ², %s', async (_, change) => {
    const options = { ...plain, ...change };
    for (const prompt of prompts.slice(0, 2)) {
      const z = await nextLogits(prompt);
      const p = probabilities(z, options);
      expect(chiSquare(await draw(z, options, width, rounds), p)).toBeLessThan(UNLIKELY);
      // The first row of its batch alone, over calls.
      expect(chiSquare(await draw(z, options, 1, calls), p)).toBeLessThan(UNLIKELY);
    }
  });

  test('generation draws first and second tokens as the model says: χ²', async () => {
    const [prompt] = prompts.slice(1);
    const options = { ...plain, maxNewTokens: 2, topK: 2 };
    const firsts: number[] = [];
    const seconds = new Map<number, number[]>();
    for (let seed = 0; seed < 4; seed++) {
      const streams = Array.from({ length: 50 }, (_, i) => i);
      const rows = streams.map(() => prompt!);
      const { tokens } = await generate(model, adapter, rows, { ...options, seed, streams });
      for (const [first, second] of tokens) {
        firsts.push(first!);
        if (second !== undefined) seconds.set(first!, [...(seconds.get(first!) ?? []), second]);
      }
    }
    expect(chiSquare(firsts, probabilities(await nextLogits(prompt!), options))).toBeLessThan(UNLIKELY);
    expect(seconds.size).toBeGreaterThan(0);
    for (const [first, drawn] of seconds) {
      const p = probabilities(await nextLogits([...prompt!, first]), options);
      expect(chiSquare(drawn, p)).toBeLessThan(UNLIKELY);
    }
  });
});

/** One-sided, p ≈ 5e-5. */
const UNLIKELY = 3.9;

/** Next-token probabilities as the options change them, in float64. */
function probabilities(z: Float32Array, { temperature, topK, topP }: SamplingOptions): number[] {
  const weights = Array.from(z, (value) => Math.exp(value / temperature));
  const order = weights.map((_, id) => id).sort((a, b) => weights[b]! - weights[a]!);
  const kept = order.slice(0, topK || undefined);
  const total = kept.reduce((sum, id) => sum + weights[id]!, 0);
  const p = weights.map(() => 0);
  let reached = 0;
  for (const id of kept) {
    if (reached >= topP) break;
    p[id] = weights[id]! / total;
    reached += weights[id]! / total;
  }
  return p.map((value) => value / reached);
}

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
