// What a workload asks of a device at the least, so that its time can be held against the device's ceiling. A multiply
// and an add are two FLOPs. Nothing is counted that could be spared: no recomputation, no gradient of a frozen weight.
//
// An example to check by hand: the SFT step of stories-neo (C = 256, 6 layers, V = 4096), 1 × (64 + 64) tokens.
//   a token in a block: 2 · 12 C² = 1,572,864; LoRA 2 · 8 · (2 · 2C + 2 · 5C) = 57,344; attention 4 C · 64 keys = 65,536
//   forward: 6 · 128 · 1,695,744 = 1.302 G; backward: 6 · 128 · (1,572,864 + 2 · 57,344 + 2 · 65,536) = 1.397 G, less
//   q, k, v of the first block, 128 · 6 C² = 0.050 G; logits of 64 tokens, there and back: 2 · 2 · 64 C V = 0.268 G
//   in all 2.917 GFLOP; the weights, 4 · (6 · 12 C² + C V) = 23.1 MB, are read twice.

import { repeats, type Model, type Work } from './plan';

const rank = 8;

interface Demand {
  flops: number;
  /** Of weights and cached keys and values in float32, each read once a pass; activations are not counted. */
  bytes: number;
}

/** Numbers of the matrices of a block: q, k, v, out [C, C] and the MLP's two [C, 4C]. */
const blockNumbers = ({ hidden_size: C }: Model): number => 12 * C * C;

/** in + out of the adapted layers of a block: the numbers of LoRA's A and B are `rank` times that. */
function adapted({ hidden_size: C, targets }: Model): number {
  return targets.reduce((sum, target) => sum + (target.startsWith('c_') ? 5 * C : 2 * C), 0);
}

/** One pass of `tokens` through the blocks, each seeing `keys` keys on average: two products of C a key. */
function blocks(model: Model, tokens: number, keys: number): number {
  const { hidden_size: C, num_layers } = model;
  const linear = 2 * blockNumbers(model) + 2 * rank * adapted(model);
  return num_layers * tokens * (linear + 4 * C * keys);
}

/** Logits of `tokens`. */
const head = ({ hidden_size: C, vocab_size }: Model, tokens: number): number => 2 * tokens * C * vocab_size;

const weightBytes = (model: Model): number =>
  4 * (model.num_layers * blockNumbers(model) + model.hidden_size * model.vocab_size);

/**
 * The backward pass after a forward pass: gradients of inputs cost what the forward pass did (attention twice that),
 * LoRA's own gradients as much again. Nothing flows below the first block, whose q, k and v have no input to pass it to.
 */
function backward(model: Model, tokens: number, keys: number): number {
  const { hidden_size: C, num_layers } = model;
  const inputs = blocks(model, tokens, 2 * keys) - 3 * 2 * C * C * tokens;
  return inputs + num_layers * tokens * 2 * rank * adapted(model);
}

/** Forward and backward of rows of `length` tokens, of which `predicted` meet the vocabulary. */
function trained(model: Model, rows: number, length: number, predicted: number): number {
  const tokens = rows * length;
  const keys = length / 2;
  return blocks(model, tokens, keys) + backward(model, tokens, keys) + 2 * head(model, rows * predicted);
}

/** A prompt read, then one token after another. */
function generated({ model, batch, prompt, completion }: Work): Demand {
  const steps = completion - 1; // the prompt gives the first token
  const cached = prompt + completion / 2; // keys seen on average
  const keysAndValues = 2 * 4 * model.num_layers * model.hidden_size * batch * cached;
  return {
    flops:
      blocks(model, batch * prompt, prompt / 2) +
      blocks(model, batch * steps, cached) +
      head(model, batch * completion),
    bytes: weightBytes(model) * completion + keysAndValues * steps,
  };
}

/** FLOPs and bytes of one run of a workload. */
export function demand(work: Work): Demand {
  const { kind, model, batch, prompt, completion, size } = work;
  const length = prompt + completion;
  switch (kind) {
    case 'sft':
      return { flops: trained(model, batch, length, completion), bytes: 2 * weightBytes(model) };
    case 'ppo': {
      // A rollout; policy, reference and critic over it; then two epochs of policy (with its head) and critic.
      const rollout = generated(work);
      const pass = blocks(model, batch * length, length / 2);
      const read = 3 * pass + 2 * head(model, batch * completion);
      const epoch = trained(model, batch, length, completion) + trained(model, batch, length, 0);
      return {
        flops: rollout.flops + read + 2 * epoch,
        bytes: rollout.bytes + (3 + 2 * 4) * weightBytes(model),
      };
    }
    case 'rollout':
    case 'decode':
      return generated(work);
    case 'load':
      return { flops: 0, bytes: weightBytes(model) };
    case 'matmul':
      return { flops: repeats * 2 * size ** 3, bytes: repeats * 3 * 4 * size ** 2 };
    case 'copy':
      return { flops: 0, bytes: repeats * 2 * size * 2 ** 20 }; // read and written
  }
}

/** Tokens that a run trains on or makes; 0 where that says nothing. */
export function tokensOf({ kind, batch, prompt, completion }: Work): number {
  if (kind === 'sft') return batch * (prompt + completion);
  return kind === 'rollout' || kind === 'decode' ? batch * completion : 0;
}
