// The exact KL divergence of two predictors over the whole vocabulary, and its gradient, a chunk of the vocabulary at a
// time: the logits of a chunk are computed, read once and given up.

import combineSource from '../ops/token-kl-combine.wgsl?raw';
import gradSource from '../ops/token-kl-grad.wgsl?raw';
import source from '../ops/token-kl.wgsl?raw';
import type { tf } from '../tf';
import { dispatch, line, output, type Part, release } from './dispatch';
import { computeSums } from './products';
import { chunkSize } from './vocabulary';

type Predictors = Record<'p' | 'pHead' | 'q' | 'qHead', tf.TensorInfo>;

interface Attributes {
  temperature: number;
  /** Tokens of the vocabulary at a time, a multiple of 64; as many as fit unless said. */
  chunk?: number;
}

/** p [N, C], pHead [V, C], q [N, D], qHead [V, D] → KL, both log-sum-exps, agree, each [N]. */
export function tokenKlKernel(inputs: Predictors, attributes: Attributes): tf.TensorInfo[] {
  const [N = 0] = inputs.p.shape;
  const seen = output([N, 64, 8]);
  for (const { first, tokens, logits } of chunks(inputs, attributes)) {
    dispatch({
      name: 'token-kl',
      source,
      writes: [seen],
      reads: logits,
      integers: [N, tokens, first],
      groups: line(N),
    });
    release(...logits);
  }
  const results = [output([N]), output([N]), output([N]), output([N])];
  dispatch({
    name: 'token-kl-combine',
    source: combineSource,
    writes: results,
    reads: [seen],
    integers: [N],
    groups: line(Math.ceil(N / 64)),
  });
  release(seen);
  return results;
}

/** → dL/dp [N, C] where `ofP`, else dL/dq [N, D]. */
export function tokenKlGradKernel(
  inputs: Predictors & Record<'kl' | 'pLse' | 'qLse' | 'dKl', tf.TensorInfo>,
  { ofP, ...attributes }: Attributes & { ofP: boolean },
): tf.TensorInfo {
  const { p, q, kl, pLse, qLse, dKl } = inputs;
  const [N = 0, width = 0] = (ofP ? p : q).shape;
  let sum: tf.TensorInfo | undefined; // [N, width]
  for (const { tokens, logits, heads } of chunks(inputs, attributes)) {
    const slopes = output([N, tokens]);
    dispatch({
      name: 'token-kl-grad',
      source: gradSource,
      values: { OF_P: ofP },
      writes: [slopes],
      reads: [...logits, pLse, qLse, kl, dKl],
      integers: [N * tokens, tokens],
      floats: [1 / attributes.temperature],
      groups: line(Math.ceil((N * tokens) / 64)),
    });
    const head = heads[ofP ? 0 : 1];
    const [next] = computeSums([{ terms: [{ a: slopes, b: head }], columns: width, add: sum }]);
    release(slopes, ...logits, ...(sum ? [sum] : []));
    sum = next;
  }
  return sum!;
}

interface Chunk {
  first: number;
  tokens: number;
  /** Of p and of q, [N, tokens], divided by the temperature. */
  logits: [tf.TensorInfo, tf.TensorInfo];
  /** The rows of pHead and of qHead. */
  heads: [Part, Part];
}

/** The vocabulary in order; whoever asks gives up each chunk's logits. */
function* chunks(
  { p, pHead, q, qHead }: Predictors,
  { temperature, chunk: asked }: Attributes,
): Generator<Chunk> {
  const [N = 0] = p.shape;
  const [V = 0] = pHead.shape;
  const chunk = asked ?? chunkSize(2 * N, V);
  for (let first = 0; first < V; first += chunk) {
    const tokens = Math.min(chunk, V - first);
    const rows = (head: tf.TensorInfo): Part => {
      const width = head.shape[1] ?? 0;
      return { tensor: head, first: first * width, count: tokens * width };
    };
    const heads: [Part, Part] = [rows(pHead), rows(qHead)];
    const product = (a: tf.TensorInfo, b: Part) => ({
      terms: [{ a, b, transposeB: true }],
      scale: 1 / temperature,
      columns: tokens,
    });
    const [ofP, ofQ] = computeSums([product(p, heads[0]), product(q, heads[1])]);
    yield { first, tokens, logits: [ofP!, ofQ!], heads };
  }
}
