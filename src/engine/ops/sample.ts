// Draws the next token of every row. Our own because tf.multinomial always returns index 0 for the first sample of
// the first row on WebGPU. The caller gives one uniform number a row, so the draw is exact inverse-transform
// sampling, the same on every backend, and randomness stays in one place (random.ts).

import { hasKernel, runKernel, tf } from '../tf';

export interface SampleOptions {
  /** 0 = greedy, ties to the lowest id. */
  temperature: number;
  /** Keeps the k most likely tokens (ties at the edge: lowest ids); 0 = all. */
  topK: number;
  /** Keeps the smallest set of most likely tokens whose probability reaches p, at least one; 1 = all. */
  topP: number;
  /** A token that must not be drawn (EOS before min_new_tokens); −1 = none. */
  bannedId: number;
  /** Further ones. */
  alsoBanned?: readonly number[];
}

export interface Sampled {
  ids: Int32Array;
  /** Log-probability under the plain model: temperature 1, nothing truncated or banned. */
  logprobs: Float32Array;
}

/** What was drawn, on the device: ids int32 [B], and their log-probabilities as above [B]. */
export interface Drawn {
  ids: tf.Tensor1D;
  logprobs: tf.Tensor1D;
}

/** logits [B, V] → one id a row. Row b takes number `first` + b of `uniforms`, each of which is in [0, 1). */
export function sample(logits: tf.Tensor2D, uniforms: tf.Tensor1D, options: SampleOptions, first = 0): Drawn {
  const [batch, vocabulary] = logits.shape;
  const { alsoBanned = [], ...rest } = options;
  if (alsoBanned.length > 0) return sampleWithout(alsoBanned, logits, uniforms, rest, first);
  if (!hasKernel('Sample')) {
    const own = uniforms.dataSync<'float32'>().subarray(first, first + batch);
    const { ids, logprobs } = sampleReference(logits.dataSync<'float32'>(), vocabulary, own, options);
    return { ids: tf.tensor1d(ids, 'int32'), logprobs: tf.tensor1d(logprobs) };
  }
  const [ids, logprobs] = runKernel<tf.Tensor1D[]>('Sample', { logits, uniforms }, { ...rest, first });
  return { ids: ids!, logprobs: logprobs! };
}

/** Below every logit, and still a number after any division by a temperature. */
const NEVER = -1e30;

/** The kernels forbid one token, which is as many as most models end with; more are put out of reach before. */
function sampleWithout(
  banned: readonly number[],
  logits: tf.Tensor2D,
  uniforms: tf.Tensor1D,
  options: SampleOptions,
  first: number,
): Drawn {
  return tf.tidy(() => {
    const columns = new Float32Array(logits.shape[1]);
    for (const id of banned) columns[id] = NEVER;
    const left = tf.add<tf.Tensor2D>(logits, tf.tensor1d(columns)); // [B, V]
    const { ids, logprobs } = sample(left, uniforms, options, first); // [B] each
    const missing = tf.sub<tf.Tensor1D>(tf.logSumExp(left, 1), tf.logSumExp(logits, 1)); // [B]
    return { ids, logprobs: tf.add<tf.Tensor1D>(logprobs, missing) };
  });
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
      if (rank >= keep || (rank > 0 && reached >= topP * total)) weights[v] = 0;
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
