// Draws the next token of every row. Our own because tf.multinomial always returns index 0 for the first sample of
// the first row on WebGPU. The caller gives one uniform number a row, so the draw is exact inverse-transform
// sampling, the same on every backend, and randomness stays in one place (random.ts).

import { hasKernel, runKernel, tf } from '../tf';

export interface SampleOptions {
  /** 0 = greedy, ties to the lowest id. */
  temperature: number;
  /** Keeps the k most likely tokens (ties at the edge: lowest ids); 0 = all. */
  topK: number;
  /** Keeps the smallest set of most likely tokens whose probability reaches p; 1 = all. */
  topP: number;
  /** A token that must not be drawn (EOS before min_new_tokens); −1 = none. */
  bannedId: number;
}

export interface Sampled {
  ids: Int32Array;
  /** Log-probability under the plain model: temperature 1, nothing truncated or banned. */
  logprobs: Float32Array;
}

/** logits [B, V], uniforms of length B in [0, 1) → one id a row. */
export async function sample(
  logits: tf.Tensor2D,
  uniforms: Float32Array,
  options: SampleOptions,
): Promise<Sampled> {
  const [batch, vocabulary] = logits.shape;
  if (!hasKernel('Sample')) {
    return sampleReference((await logits.data()) as Float32Array, vocabulary, uniforms, options);
  }
  const [ids, logprobs] = tf.tidy(() =>
    runKernel<tf.Tensor[]>('Sample', { logits, uniforms: tf.tensor1d(uniforms, 'float32') }, { ...options }),
  ) as [tf.Tensor, tf.Tensor]; // [B], [B]
  const result = { ids: (await ids.data()) as Int32Array, logprobs: (await logprobs.data()) as Float32Array };
  tf.dispose([ids, logprobs]);
  if (result.ids.length !== batch) throw new Error('sampler returned a wrong number of rows');
  return result;
}

/** The same on the host, row by row, in float64: logits is row-major [B, V]. */
export function sampleReference(
  logits: Float32Array,
  vocabulary: number,
  uniforms: Float32Array,
  { temperature, topK, topP, bannedId }: SampleOptions,
): Sampled {
  const batch = uniforms.length;
  const ids = new Int32Array(batch);
  const logprobs = new Float32Array(batch);
  for (let b = 0; b < batch; b++) {
    const row = logits.subarray(b * vocabulary, (b + 1) * vocabulary);
    let best = -1;
    let max = -Infinity; // over all tokens, for the plain log-sum-exp
    for (let v = 0; v < vocabulary; v++) {
      const z = row[v]!;
      max = Math.max(max, z);
      if (v !== bannedId && (best < 0 || z > row[best]!)) best = v;
    }
    const lse = max + Math.log(row.reduce((sum, z) => sum + Math.exp(z - max), 0));
    const id =
      temperature === 0 ? best : draw(row, row[best]!, uniforms[b]!, { temperature, topK, topP, bannedId });
    ids[b] = id;
    logprobs[b] = row[id]! - lse;
  }
  return { ids, logprobs };
}

function draw(
  row: Float32Array,
  top: number,
  u: number,
  { temperature, topK, topP, bannedId }: SampleOptions,
): number {
  const weights = Float64Array.from(row, (z, v) => (v === bannedId ? 0 : Math.exp((z - top) / temperature)));
  if ((topK > 0 && topK < row.length) || topP < 1) {
    const order = Array.from(weights.keys()).sort((i, j) => weights[j]! - weights[i]! || i - j);
    const keep = topK > 0 ? Math.min(topK, row.length) : row.length;
    const total = order.slice(0, keep).reduce((sum, v) => sum + weights[v]!, 0);
    let reached = 0;
    order.forEach((v, rank) => {
      if (rank >= keep || reached >= topP * total) weights[v] = 0;
      else reached += weights[v]!;
    });
  }
  let left = u * weights.reduce((sum, w) => sum + w, 0);
  let last = -1;
  for (let v = 0; v < weights.length; v++) {
    if (weights[v] === 0) continue;
    last = v;
    left -= weights[v]!;
    if (left < 0) return v;
  }
  return last;
}
