// A language model whose every completion can be counted: a transformer of two layers over a few tokens, with LoRA, that
// always writes the same number of them. Nothing is mocked, so the trainers run as they are, on any backend; what they
// estimate from samples is computed here exactly, and so is how far exact-gradient ascent comes with the same weights.

import { collate, joined } from '../src/data/batches';
import { sumOfSquares } from '../src/engine/ops/sum-of-squares';
import { tokenKl } from '../src/engine/ops/token-kl';
import { normals } from '../src/engine/random';
import { tf } from '../src/engine/tf';
import { ARCHITECTURES } from '../src/model/architectures';
import { headMatrix, hiddenStates } from '../src/model/forward';
import { completionLogprobs } from '../src/model/logprobs';
import { Adapter } from '../src/model/lora';
import type { LanguageModel } from '../src/model/types';
import type { OptimizerSettings } from '../src/shared/experiment';
import { accumulateGradients, AdamW } from '../src/train/optimizer';
import type { SamplingContext } from '../src/train/rollouts';
import { learningRateAt } from '../src/train/schedule';
import { enumerate, normalised } from './enumerable';

const LORA = {
  ...{ r: 4, lora_alpha: 8, lora_dropout: 0, use_rslora: false },
  target_modules: ['q_proj', 'k_proj', 'v_proj', 'out_proj', 'c_fc', 'c_proj'],
};

/** GPT-Neo of two layers and 16 numbers a token, with random weights and no end token. */
function transformer(vocabulary: number): LanguageModel {
  const architecture = ARCHITECTURES.get('gpt_neo')!;
  const config = architecture.parseConfig(
    {
      ...{ model_type: 'gpt_neo', activation_function: 'gelu_new', layer_norm_epsilon: 1e-5, window_size: 8 },
      ...{ hidden_size: 16, num_layers: 2, num_heads: 2, intermediate_size: null, vocab_size: vocabulary },
      ...{ attention_layers: ['global', 'local'], max_position_embeddings: 16 },
    },
    'config.json',
  );
  const weights = new Map<string, tf.Tensor>();
  for (const [name, dimensions] of architecture.parameters(config)) {
    const size = tf.util.sizeFromShape(dimensions);
    const norm = /ln_\w+\.weight$/.test(name);
    const values = normals(size, 11, name).map((z) => (norm ? 1 : 0.25 * z));
    weights.set(name, tf.tensor(values, dimensions));
  }
  return { name: 'enumerable', architecture, config, weights, tokenizer: null, parameters: 0 };
}

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);

/** The task of V tokens, T a completion, with a random reward for each, and everything about it that is exact. */
export async function transformerTask(V: number, T: number) {
  const model = transformer(V);
  const sequences = enumerate(V, T);
  const rewards = Array.from(normals(sequences.length, 5, 'reward'), (z) => 0.6 * z);
  const place = new Map(sequences.map((tokens, i) => [tokens.join(), i]));
  const batch = collate(
    sequences.map((tokens) => joined([0], tokens)),
    model.config.context,
  );
  const reference = Adapter.create(model, LORA, 3, { name: 'reference' });

  const scored = (adapter: Adapter, entropyGradient = false) =>
    completionLogprobs(model, adapter, batch, { temperature: 1, entropyGradient }); // [N, L]
  const whole = (adapter: Adapter): tf.Tensor1D => tf.sum(scored(adapter).logprobs, 1); // [N]
  const read = async (compute: () => tf.Tensor): Promise<number[]> => {
    const tensor = tf.tidy(compute);
    const values = Array.from(await tensor.data());
    tensor.dispose();
    return values;
  };
  /** log π(y) of every completion. */
  const logprobs = (adapter: Adapter): Promise<number[]> => read(() => whole(adapter));
  /** log π of every token of every completion, [N][T]. */
  const tokenLogprobs = async (adapter: Adapter): Promise<number[][]> => {
    const flat = await read(() => scored(adapter).logprobs);
    return sequences.map((_, i) => flat.slice(i * batch.length + 1, i * batch.length + 1 + T));
  };
  const refLogprobs = await logprobs(reference);

  return {
    model,
    sequences,
    rewards,
    reference,
    refLogprobs,
    logprobs,
    tokenLogprobs,
    /** The entropy of the choice of each token of each completion, [N][T]. */
    entropies: async (adapter: Adapter): Promise<number[][]> => {
      const flat = await read(() => scored(adapter).entropy);
      return sequences.map((_, i) => flat.slice(i * batch.length + 1, i * batch.length + 1 + T));
    },
    /** KL(π ‖ reference) of the choice of each token of each completion over the whole vocabulary, [N][T]. */
    tokenKl: async (adapter: Adapter): Promise<number[][]> => {
      const flat = await read(() => {
        const predictor = (own: Adapter) => ({
          hidden: hiddenStates(model, own, batch), // [N·L, C]
          head: headMatrix(model, own), // [V, C]
        });
        return tokenKl(predictor(adapter), predictor(reference), 1).kl; // [N·L]
      });
      return sequences.map((_, i) => flat.slice(i * batch.length, i * batch.length + T));
    },
    /** The most that E[r] − β·KL(π ‖ ref) can be: β·log Σ ref·e^{r/β}. */
    best: (beta: number): number =>
      beta * Math.log(sum(refLogprobs.map((logp, i) => Math.exp(logp + rewards[i]! / beta)))),
    /** What the reference itself has of it. */
    start: sum(normalised(refLogprobs.map(Math.exp)).map((p, i) => p * rewards[i]!)),
    /** E[r] − β·KL(π ‖ ref) of a policy. */
    objective: async (adapter: Adapter, beta: number): Promise<number> => {
      const logps = await logprobs(adapter);
      return sum(logps.map((logp, i) => Math.exp(logp) * (rewards[i]! - beta * (logp - refLogprobs[i]!))));
    },
    /** Its gradient's ascent from the reference, with the trainers' optimizer: the policy where it ends. */
    ascend: async (beta: number, steps: number, settings: OptimizerSettings): Promise<Adapter> => {
      const policy = reference.clone('exact');
      const variables = [...policy.variables.values()];
      const optimizer = new AdamW(policy.variables);
      const loss = (): tf.Scalar => {
        const logps = whole(policy); // [N]
        const gain = tf.sub(tf.tensor1d(rewards), tf.mul(tf.sub(logps, tf.tensor1d(refLogprobs)), beta)); // [N]
        return tf.neg(tf.sum(tf.mul(tf.exp(logps), gain)));
      };
      for (let step = 0; step < steps; step++) {
        const grads = accumulateGradients(loss, variables, null);
        await optimizer.update(grads, learningRateAt(step, steps, settings), settings);
      }
      optimizer.dispose();
      return policy;
    },
    /** The length of the gradient of the mean entropy of a token, completions weighted by `weights`. */
    entropySlope: async (adapter: Adapter, weights: readonly number[]): Promise<number> => {
      const entropy = (): tf.Scalar =>
        tf.div(tf.sum(tf.mul(tf.sum(scored(adapter, true).entropy, 1), tf.tensor1d([...weights]))), T);
      const grads = accumulateGradients(entropy, [...adapter.variables.values()], null);
      const length = await read(() => tf.sqrt(sumOfSquares(grads)));
      tf.dispose(grads);
      return length[0]!;
    },
    context: (name: string, reward: (i: number) => number = (i) => rewards[i]!): SamplingContext => ({
      ...{ model, name, seed: 7, onSample: () => undefined, reference },
      prompts: [{ text: '', ids: [0] }],
      reward: (rows) => Promise.resolve(rows.map(({ tokens }) => reward(place.get(tokens.join())!))),
    }),
    dispose: () => {
      reference.dispose();
      tf.dispose([...model.weights.values()]);
    },
  };
}
