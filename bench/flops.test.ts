import { describe, expect, it } from 'vitest';
import { demand, tokensOf } from './flops';
import { plan, type Kind, type Model, type Work } from './plan';

const model: Model = {
  name: 'small',
  bundled: false,
  hidden_size: 4,
  num_layers: 1,
  num_heads: 1,
  vocab_size: 10,
  max_position_embeddings: 8,
  window_size: 8,
  targets: ['q_proj'],
};
const work = (kind: Kind, more: Partial<Work> = {}): Work => ({
  kind,
  product: 'A·B',
  model,
  batch: 1,
  prompt: 1,
  completion: 1,
  size: 0,
  ...more,
});

describe('demand', () => {
  it('counts a training step as one would by hand', () => {
    // Two tokens. A block's matrices hold 12 · 4² = 192 numbers, LoRA's 8 · (4 + 4) = 64; each token sees one key.
    const forward = 2 * (2 * 192 + 2 * 64 + 4 * 4);
    // Backward: no inputs' gradients for q, k, v of the first block (3 · 16 numbers); attention twice; LoRA's own.
    const backward = 2 * (2 * 192 + 2 * 64 + 4 * 4 * 2 - 2 * 3 * 16 + 2 * 64);
    const head = 2 * (2 * 4 * 10); // one token predicted, there and back
    expect(demand(work('sft')).flops).toBe(forward + backward + head);
    expect(demand(work('sft')).bytes).toBe(2 * 4 * (192 + 40));
  });

  it('counts the example of flops.ts', () => {
    const step = plan({ scale: 'software', backend: 'webgpu', names: ['ours'], long: false }).find(
      ({ kind, model: { name } }) => kind === 'sft' && name === 'stories-neo',
    )!;
    expect(step).toMatchObject({ batch: 1, prompt: 64, completion: 64 });
    expect(demand(step).flops / 1e9).toBeCloseTo(2.917, 3);
    expect(demand(step).bytes / 1e6).toBeCloseTo(46.1, 1);
  });

  it('counts a PPO update as one would by hand', () => {
    // A prompt of one token gives the completion: one token in the block, seeing half a key on average, and its logits.
    const rollout = 2 * 192 + 2 * 64 + 4 * 4 * 0.5 + 2 * 4 * 10;
    // Policy, reference and critic over both tokens; the first two with logits.
    const pass = 2 * (2 * 192 + 2 * 64 + 4 * 4);
    const read = 3 * pass + 2 * (2 * 4 * 10);
    // An epoch trains the policy, as SFT does, and the critic, without logits.
    const sft = demand(work('sft')).flops;
    const epoch = sft + sft - 2 * (2 * 4 * 10);
    expect(demand(work('ppo')).flops).toBe(rollout + read + 2 * epoch);
    // The weights once for the token written, once by each of three readers, four times an epoch.
    expect(demand(work('ppo')).bytes).toBe((1 + 3 + 2 * 4) * 4 * (192 + 40));
  });

  it('counts what the ceiling is measured with', () => {
    expect(demand(work('matmul', { size: 2 }))).toEqual({ flops: 8 * 16, bytes: 8 * 3 * 16 });
    expect(demand(work('copy', { size: 3 }))).toEqual({ flops: 0, bytes: 8 * 2 * 3 * 2 ** 20 });
    expect(demand(work('load'))).toEqual({ flops: 0, bytes: 4 * (192 + 40) });
  });

  it('grows with the rows, and less than double with a prompt that predicts nothing', () => {
    const one = demand(work('sft')).flops;
    expect(demand(work('sft', { batch: 3 })).flops).toBe(3 * one);
    expect(demand(work('sft', { prompt: 3 })).flops).toBeGreaterThan(1.5 * one);
  });

  it('reads the weights once for every token of a stream', () => {
    const { bytes } = demand(work('decode', { prompt: 1, completion: 3 }));
    const cached = 2 * 4 * 4 * 2.5; // keys and values of 2½ tokens, at each of two steps
    expect(bytes).toBe(3 * 4 * (192 + 40) + 2 * cached);
  });
});

describe('tokensOf', () => {
  it('counts what is trained on, and what is made', () => {
    expect(tokensOf(work('sft', { batch: 2, prompt: 3 }))).toBe(8);
    expect(tokensOf(work('rollout', { batch: 2, prompt: 3 }))).toBe(2);
    expect(tokensOf(work('copy'))).toBe(0);
  });
});
