// How far apart two predictors of the next token are: the exact KL divergence over the whole vocabulary, straight from
// hidden states. Sampled estimates need thousands of tokens for what this tells of one. As with token-logprobs.ts the
// fused kernels walk the vocabulary in chunks, forward and backward, and keep two log-sum-exps a row.

import { hasKernel, runKernel, tf } from '../tf';
import { headGradient } from './head-gradient';
import { matmul } from './matmul';

/** Predicts by z = hidden·headᵀ. */
export interface Predictor {
  /** [N, C] */
  hidden: tf.Tensor2D;
  /** [V, C] */
  head: tf.Tensor2D;
}

export interface TokenKl {
  /** KL(softmax(z_p/temperature) ‖ softmax(z_q/temperature)) in nats, [N]. */
  kl: tf.Tensor1D;
  /** 1 where both find the same token the most likely (of equal ones the lowest id), else 0, [N]; without gradient. */
  agree: tf.Tensor1D;
}

/** Of p and q over one vocabulary; differentiable in the hidden states and heads of both. */
export function tokenKl(p: Predictor, q: Predictor, temperature: number): TokenKl {
  if (!hasKernel('TokenKl')) return tokenKlReference(p, q, temperature);
  const inputs = { p: p.hidden, pHead: p.head, q: q.hidden, qHead: q.head };
  const outputs = runKernel<tf.Tensor1D[]>('TokenKl', inputs, { temperature });
  return { kl: outputs[0]!, agree: outputs[3]! };
}

/** The same of plain tfjs ops, with both [N, V] in memory. */
function tokenKlReference(p: Predictor, q: Predictor, temperature: number): TokenKl {
  const [logP, logQ] = [p, q].map(({ hidden, head }) =>
    tf.logSoftmax(tf.div(tf.matMul(hidden, head, false, true), temperature)),
  ) as [tf.Tensor2D, tf.Tensor2D]; // [N, V] each
  const kl = tf.sum<tf.Tensor1D>(tf.mul(tf.exp(logP), tf.sub(logP, logQ)), 1);
  return { kl, agree: tf.cast(tf.equal<tf.Tensor1D>(tf.argMax(logP, 1), tf.argMax(logQ, 1)), 'float32') };
}

tf.registerGradient({
  kernelName: 'RlhfTokenKl',
  inputsToSave: ['p', 'pHead', 'q', 'qHead'],
  // The second and third outputs are the log-sum-exps of p and q.
  outputsToSave: [true, true, true, false],
  gradFunc: (dys, saved, attrs) => {
    const [p, pHead, q, qHead, kl, pLse, qLse] = saved as [
      ...[tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D],
      ...[tf.Tensor, tf.Tensor, tf.Tensor],
    ];
    const [dKl] = dys as [tf.Tensor]; // [N]
    const temperature = attrs['temperature'] as number;
    const inputs = { p, pHead, q, qHead, kl, pLse, qLse, dKl };
    /** That of the hidden states of p, or of q, [N, C]. */
    const hidden = (ofP: boolean) => runKernel<tf.Tensor>('TokenKlGrad', inputs, { temperature, ofP });
    const logs = (x: tf.Tensor2D, head: tf.Tensor2D, lse: tf.Tensor): tf.Tensor =>
      tf.sub(matmul(x, head, { transposeB: true, scale: 1 / temperature }), lse); // [n, V]
    /** That of the head of p, or of q, [V, C]: dz_p = P·(log P − log Q − KL), dz_q = Q − P. */
    const head = (ofP: boolean) =>
      headGradient(ofP ? p : q, ofP ? pHead : qHead, 1 / temperature, (rows) => {
        const logP = logs(rows(p), pHead, rows(pLse));
        const logQ = logs(rows(q), qHead, rows(qLse));
        const dz = ofP
          ? tf.mul(tf.exp(logP), tf.sub(tf.sub(logP, logQ), rows(kl)))
          : tf.sub(tf.exp(logQ), tf.exp(logP));
        return tf.mul(dz, rows(dKl));
      });
    return {
      p: () => hidden(true),
      pHead: () => head(true),
      q: () => hidden(false),
      qHead: () => head(false),
    };
  },
});
