// Log-probability of given tokens, and the entropy of their distributions, straight from hidden states. At 125M
// parameters the logits of 512 tokens are 100 MB; the fused kernels walk the vocabulary in chunks and keep one
// log-sum-exp a row instead. One op serves SFT, DPO, PPO and the reference model.

import { hasKernel, runKernel, tf } from '../tf';
import { headGradient } from './head-gradient';
import { matmul } from './matmul';

export interface TokenLogprobs {
  /** log softmax(z/temperature)[id], [N]. */
  logprobs: tf.Tensor1D;
  /** −Σ p log p of the same distribution, in nats, [N]; a gradient may be taken where that was asked for. */
  entropy: tf.Tensor1D;
  /** 1 where no token is likelier than the given one (ties within rounding), else 0, [N]; without gradient. */
  correct: tf.Tensor1D;
}

/**
 * z = hidden·headᵀ. hidden [N, C], head [V, C], ids int32 [N]; differentiable in hidden and head. A gradient of the entropy
 * costs walking the vocabulary once more, so it must be asked for; taking one that was not throws.
 */
export function tokenLogprobs(
  hidden: tf.Tensor2D,
  head: tf.Tensor2D,
  ids: tf.Tensor1D,
  temperature: number,
  entropyGradient = false,
): TokenLogprobs {
  const of = entropyGradient ? (entropy: tf.Tensor1D) => entropy : withoutGradient;
  if (!hasKernel('TokenLogprobs')) {
    const { entropy, ...rest } = tokenLogprobsReference(hidden, head, ids, temperature);
    return { ...rest, entropy: of(entropy) };
  }
  // Where only log-probabilities have a gradient, the forward pass computes what of it needs the vocabulary, [N, C], as a
  // fifth output.
  const slopes = tf.engine().state.gradientDepth > 0 && !entropyGradient;
  const outputs = runKernel<tf.Tensor1D[]>('TokenLogprobs', { hidden, head, ids }, { temperature, slopes });
  return { logprobs: outputs[0]!, entropy: of(outputs[1]!), correct: outputs[3]! };
}

/** The entropies, through which no gradient may be taken. */
const withoutGradient = (entropy: tf.Tensor1D): tf.Tensor1D =>
  tf.customGrad((x) => ({
    value: (x as tf.Tensor1D).clone(),
    gradFunc: () => {
      throw new Error('tokenLogprobs: ask for entropyGradient to take a gradient of the entropy');
    },
  }))(entropy);

/** The same of plain tfjs ops, with the whole [N, V] in memory. */
export function tokenLogprobsReference(
  hidden: tf.Tensor2D,
  head: tf.Tensor2D,
  ids: tf.Tensor1D,
  temperature: number,
): TokenLogprobs {
  const logits = tf.div<tf.Tensor2D>(tf.matMul(hidden, head, false, true), temperature); // [N, V]
  const all = tf.logSoftmax(logits); // [N, V]
  const picked = tf.mul(all, tf.cast(tf.oneHot(ids, head.shape[0]), 'float32')); // [N, V]
  const logprobs = tf.sum<tf.Tensor1D>(picked, 1);
  const correct = tf.cast<tf.Tensor1D>(tf.greaterEqual(logprobs, tf.max(all, 1)), 'float32');
  return { logprobs, entropy: tf.neg(tf.sum(tf.mul(tf.exp(all), all), 1)), correct };
}

tf.registerGradient({
  kernelName: 'RlhfTokenLogprobs',
  inputsToSave: ['hidden', 'head', 'ids'],
  // The third output is the log-sum-exp of each row.
  outputsToSave: [false, true, true, false, true],
  gradFunc: (dys, saved, attrs) => {
    const [hidden, head, ids, entropy, lse, slopes] = saved as [
      ...[tf.Tensor2D, tf.Tensor2D, tf.Tensor1D, tf.Tensor, tf.Tensor],
      tf.Tensor?,
    ];
    const [dLogprobs, dEntropy] = dys as [tf.Tensor, tf.Tensor]; // [N], [N]
    const temperature = attrs['temperature'] as number;
    return {
      hidden: () =>
        runKernel<tf.Tensor>(
          'TokenLogprobsGrad',
          { hidden, head, ids, entropy, lse, dLogprobs, dEntropy, ...(slopes && { slopes }) },
          { temperature },
        ),
      head: () =>
        headGradient(hidden, head, 1 / temperature, (rows) => {
          const [given, logits] = [
            rows(ids),
            matmul(rows(hidden), head, { transposeB: true, scale: 1 / temperature }),
          ];
          const all = tf.sub(logits, rows(lse)); // [n, V]
          const picked = tf.cast(tf.oneHot(tf.reshape<tf.Rank.R1>(given, [-1]), head.shape[0]), 'float32'); // [n, V]
          const spread = tf.add(rows(dLogprobs), tf.mul(tf.add(all, rows(entropy)), rows(dEntropy)));
          return tf.sub(tf.mul(picked, rows(dLogprobs)), tf.mul(tf.exp(all), spread));
        }),
    };
  },
});
