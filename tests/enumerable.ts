// A task whose optimum is known exactly, for the trainers as they are: a policy that is a table of logits over every
// prefix of a few tokens, a random reference and a reward for each sequence, all of them enumerated. Only the language
// model is replaced by the table, in the modules that ask it (tests/table-plugin.ts, or `vi.mock`), and a test reads off
// how far the trainer came. Sequences are all of T tokens, or, with an end token, end where it says so.

import { gatherRows } from '../src/engine/ops/gather-rows';
import { tokenLogprobs } from '../src/engine/ops/token-logprobs';
import { normals, uniform } from '../src/engine/random';
import { tf } from '../src/engine/tf';
import { Adapter } from '../src/model/lora';
import type { CompletionBatch, LanguageModel, TokenBatch } from '../src/model/types';
import { tilted } from '../src/shared/optimum';

/** What is enumerated at present: `V` tokens, at most `T` of them a sequence, which one of them ends. */
const shape = { V: 4, T: 3, eosId: null as number | null };

/** Every sequence, in the order of the alphabet; none goes on after its end token. */
export function enumerate(V: number, T: number, eosId: number | null = null): number[][] {
  if (T === 0) return [[]];
  return Array.from({ length: V }, (_, token) =>
    token === eosId ? [[token]] : enumerate(V, T - 1, eosId).map((rest) => [token, ...rest]),
  ).flat();
}

const table = (adapter: Adapter) => adapter.variables.get('table') as unknown as tf.Tensor2D;
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Number of the state after some tokens: prefixes in order of length, then alphabet. */
const stateOf = (prefix: readonly number[]) =>
  prefix.reduce((state, token) => shape.V * state + 1 + token, 0);
const states = (): number => (shape.V ** shape.T - 1) / (shape.V - 1);

/** The state before each token of a batch's completions, a prompt of one token before each, and their places in [B, T]. */
function statesOf({ ids, completion, length }: CompletionBatch) {
  const found: number[] = [];
  const at: number[] = [];
  completion.forEach((one, i) => {
    if (one !== 1) return;
    const first = i - (i % length) + 1;
    found.push(stateOf(Array.from(ids.subarray(first, i))));
    at.push(i);
  });
  return { states: found, at };
}

/** [N] values at their places in [B, T], elsewhere 0. */
function place(values: tf.Tensor, at: number[], { batch, length }: CompletionBatch): tf.Tensor {
  const slots = new Int32Array(batch * length);
  const kept = new Float32Array(batch * length);
  at.forEach((i, n) => {
    slots[i] = n;
    kept[i] = 1;
  });
  const column = gatherRows(tf.reshape(values, [-1, 1]), tf.tensor1d(slots, 'int32')); // [B·T, 1]
  return tf.mul(tf.reshape(column, [batch, length]), tf.tensor2d(kept, [batch, length]));
}

const rowsOf = (adapter: Adapter, which: number[]) => gatherRows(table(adapter), tf.tensor1d(which, 'int32')); // [N, V]

/** What stands in for src/model/{logprobs,heads,generate}.ts. */
export const MODULES = {
  logprobs: {
    completionLogprobs: (
      _: LanguageModel,
      adapter: Adapter,
      batch: CompletionBatch,
      { entropyGradient }: { entropyGradient?: boolean },
    ) => {
      const { states: which, at } = statesOf(batch);
      const ids = at.map((i) => batch.ids[i]!);
      // Its rows are hidden states as wide as the vocabulary, before the identity as output matrix.
      const given = tf.tensor1d(ids, 'int32');
      const of = tokenLogprobs(rowsOf(adapter, which), tf.eye(shape.V), given, 1, entropyGradient); // each [N]
      return {
        logprobs: place(of.logprobs, at, batch),
        entropy: place(of.entropy, at, batch),
        // Figures that are no part of a loss.
        correct: () => tf.zeros([batch.batch, batch.length]),
        logits: (_groupOf: readonly number[], groups: number) => tf.zeros([groups]),
      };
    },
  },
  heads: {
    completionValues: (_: LanguageModel, adapter: Adapter, batch: CompletionBatch) => {
      const { states: which, at } = statesOf(batch);
      return place(tf.slice(rowsOf(adapter, which), [0, 0], [-1, 1]), at, batch);
    },
    /** A reward model that is a table too: the first column, a row for each sequence. */
    sequenceScores: (_: LanguageModel, adapter: Adapter, batch: TokenBatch) => {
      const which = Array.from({ length: batch.batch }, (__, b) => {
        const first = b * batch.length + 1;
        return stateOf(Array.from(batch.ids.subarray(first, first + shape.T))) - states();
      });
      return tf.reshape(tf.slice(rowsOf(adapter, which), [0, 0], [-1, 1]), [batch.batch]);
    },
  },
  generate: {
    generate: async (
      _: LanguageModel,
      adapter: Adapter,
      prompts: number[][],
      options: { seed: number; streams: number[] },
    ) => {
      const { V, T, eosId } = shape;
      const logits = await table(adapter).data();
      const tokens = prompts.map((__, i) => {
        const drawn: number[] = [];
        for (let t = 0; t < T && (t === 0 || drawn.at(-1) !== eosId); t++) {
          const weights = Array.from(logits.subarray(V * stateOf(drawn), V * stateOf(drawn) + V), Math.exp);
          let left = uniform(options.seed, options.streams[i]!, t) * sum(weights);
          drawn.push(
            Math.max(
              0,
              weights.findIndex((weight) => (left -= weight) < 0),
            ),
          );
        }
        return drawn;
      });
      return { tokens, logprobs: [] };
    },
  },
};

/** An adapter that is a table of [rows, V] (default: a row for each prefix), random or zero. */
export function tableAdapter(name: string, random: boolean, rows = states()): Adapter {
  const { V } = shape;
  const settings = { r: 1, lora_alpha: 1, lora_dropout: 0, target_modules: [], use_rslora: false };
  const values = random ? normals(rows * V, 5, name) : new Float32Array(rows * V);
  return new Adapter(name, settings, new Map([['table', { shape: [rows, V], values }]]));
}

/** The table of an adapter, row-major. */
export const logitsOf = (adapter: Adapter): Promise<ArrayLike<number>> => table(adapter).data();

/** The task of V tokens, T a sequence: prompts, reference and reward as a trainer takes them, and the exact figures. */
export async function enumerableTask(
  V: number,
  T: number,
  { rewardOf, eosId = null }: { rewardOf?: (i: number) => number; eosId?: number | null } = {},
) {
  Object.assign(shape, { V, T, eosId });
  const sequences = enumerate(V, T, eosId);
  const random = normals(sequences.length, 5, 'reward').map((z) => 0.6 * z);
  const rewards = sequences.map((_, i) => (rewardOf ? rewardOf(i) : random[i]!));
  const place = new Map(sequences.map((tokens, i) => [tokens.join(), i]));
  const reference = tableAdapter('reference', true);

  /** log π(y) of every sequence, in float64. */
  const logprobsOf = (logits: ArrayLike<number>): number[] =>
    sequences.map((tokens) =>
      sum(
        tokens.map((token, t) => {
          const row = V * stateOf(tokens.slice(0, t));
          const weights = Array.from({ length: V }, (_, v) => Math.exp(logits[row + v]!));
          return Math.log(weights[token]! / sum(weights));
        }),
      ),
    );
  const refLogprobs = logprobsOf(await logitsOf(reference));
  const refProbabilities = refLogprobs.map(Math.exp);

  return {
    sequences,
    rewards,
    reference,
    refProbabilities,
    probabilities: async (adapter: Adapter): Promise<number[]> =>
      logprobsOf(await logitsOf(adapter)).map(Math.exp),
    tilted: (beta: number): number[] => tilted(refProbabilities, rewards, beta),
    /** E[r] − β·KL(π ‖ ref). */
    objective: (p: readonly number[], beta: number): number =>
      sum(p.map((value, i) => value * (rewards[i]! - beta * (Math.log(value) - refLogprobs[i]!)))),
    context: (name: string) => ({
      model: { config: { context: 16, eosId, width: 1 } } as unknown as LanguageModel,
      name,
      seed: 7,
      onSample: () => undefined,
      prompts: [{ text: '', ids: [0] }],
      reference,
      reward: (rows: readonly { tokens: readonly number[] }[]) =>
        Promise.resolve(rows.map(({ tokens }) => rewards[place.get(tokens.join())!]!)),
    }),
  };
}

/** The same weights with a sum of 1. */
export function normalised(weights: readonly number[]): number[] {
  const total = sum(weights);
  return weights.map((weight) => weight / total);
}

/** KL(p ‖ q) in nats. */
export const divergence = (p: readonly number[], q: readonly number[]): number =>
  sum(p.map((value, i) => (value === 0 ? 0 : value * Math.log(value / q[i]!))));
