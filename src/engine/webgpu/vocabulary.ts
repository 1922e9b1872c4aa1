// What walks the vocabulary: token log-probabilities with their gradient, never holding [N, V], and the sampler.

import sampleSource from '../ops/sample.wgsl?raw';
import type { SampleOptions } from '../ops/sample';
import combineSource from '../ops/token-logprobs-combine.wgsl?raw';
import slopeSource from '../ops/token-logprobs-slope.wgsl?raw';
import weightsSource from '../ops/token-logprobs-weights.wgsl?raw';
import source from '../ops/token-logprobs.wgsl?raw';
import type { tf } from '../tf';
import { adapterTraits } from './adapter';
import { dispatch, line, output, release } from './dispatch';
import { rowLayout } from './norms';
import { computeSums } from './products';
import { wholeTile } from './tiling';

type Inputs<Names extends string> = Record<Names, tf.TensorInfo>;

/**
 * hidden [N, C], head [V, C], ids int32 [N] → log-probabilities, entropies, log-sum-exps, correct, each [N]; with `slopes`
 * Σ p·head besides, [N, C], for which the logits are held, `chunk` tokens of the vocabulary (a multiple of 64) at a time.
 */
export function tokenLogprobsKernel(
  { hidden, head, ids }: Inputs<'hidden' | 'head' | 'ids'>,
  { temperature, slopes, chunk }: { temperature: number; slopes?: boolean; chunk?: number },
): tf.TensorInfo[] {
  const [N = 0, C = 0] = hidden.shape;
  const [V = 0] = head.shape;
  const { values, groups } = wholeTile(N, V, C, true);
  const steps = Math.min(16, groups[0]); // vocabulary tiles an invocation walks: 1/32 of the logits as partial sums
  const stretches = Math.ceil(groups[0] / steps);
  const parts = stretches * values.WX;
  const partial = output([parts, N, 4]);
  const stretch = steps * values.TN * 4; // tokens
  const together = slopes ? Math.max(1, Math.floor((chunk ?? chunkSize(N, V)) / stretch)) : stretches;
  let expected: tf.TensorInfo | undefined; // [N, C]
  for (let first = 0; first < stretches; first += together) {
    const count = Math.min(together, stretches - first);
    const begin = first * stretch;
    const tokens = Math.min(count * stretch, V - begin);
    const columns = Math.ceil(tokens / 4); // of four, those past the vocabulary are 0
    const rows = { tensor: head, first: begin * C, count: tokens * C };
    const weights = slopes ? [output([N, columns * 4])] : []; // first the logits
    dispatch({
      name: 'token-logprobs',
      source,
      values: { ...values, PARTIAL: true, LOGITS: Boolean(slopes) },
      writes: [partial, ...weights],
      reads: [hidden, rows],
      integers: [N, tokens, C, count, steps, first, V],
      floats: [1 / temperature],
      groups: line(count * groups[1]),
    });
    if (!weights[0]) continue;
    const segments = adapterTraits().software ? 1 : Math.ceil(columns / 1024);
    const before = expected ? [expected] : [];
    dispatch({
      name: 'token-logprobs-weights',
      source: weightsSource,
      values: { MORE: before.length > 0 },
      writes: [weights[0], ...before],
      reads: [partial],
      integers: [N, columns, C, segments, first * values.WX, (first + count) * values.WX],
      groups: line(N * segments),
    });
    [expected] = computeSums([{ terms: [{ a: weights[0], b: rows }], columns: C, add: expected }]);
    release(weights[0], ...before);
  }
  const results = [output([N]), output([N]), output([N]), output([N])];
  const layout = rowLayout();
  dispatch({
    name: 'token-logprobs-combine',
    source: combineSource,
    values: { ...layout, PHASES: 2 },
    writes: results,
    reads: [partial, hidden, head, ids],
    integers: [N, C, parts],
    floats: [1 / temperature],
    groups: line(Math.ceil(N / layout.ROWS)),
  });
  release(partial);
  return expected ? [...results, expected] : results;
}

/** → dL/dhidden [N, C], from Σ p·head where the forward pass gave it and entropies have no gradient; else `chunk` tokens of
 *  the vocabulary (a multiple of 64) at a time. */
export function tokenLogprobsGradKernel(
  inputs: Inputs<'hidden' | 'head' | 'ids' | 'entropy' | 'lse' | 'dLogprobs' | 'dEntropy'> & {
    slopes?: tf.TensorInfo;
  },
  { temperature, chunk: asked }: { temperature: number; chunk?: number },
): tf.TensorInfo {
  const { hidden, head, ids, entropy, lse, dLogprobs, dEntropy, slopes: expected } = inputs;
  const [N = 0, C = 0] = hidden.shape;
  const [V = 0] = head.shape;
  if (expected) {
    const result = output([N, C]);
    dispatch({
      name: 'token-logprobs-slope',
      source: slopeSource,
      writes: [result],
      reads: [expected, head, ids, dLogprobs],
      integers: [N * C, C],
      floats: [1 / temperature],
      groups: line(Math.ceil((N * C) / 64)),
    });
    return result;
  }
  const chunk = asked ?? chunkSize(N, V);
  let sum: tf.TensorInfo | undefined; // [N, C]
  for (let first = 0; first < V; first += chunk) {
    const inside = Math.min(chunk, V - first);
    const width = Math.ceil(inside / 4) * 4; // columns past the vocabulary are 0
    const slopes = output([N, width]);
    const rows = { tensor: head, first: first * C, count: inside * C };
    const { values, groups } = wholeTile(N, width, C, false);
    dispatch({
      name: 'token-logprobs',
      source,
      values: { ...values, PARTIAL: false, LOGITS: false },
      writes: [slopes],
      reads: [hidden, rows, ids, lse, entropy, dLogprobs, dEntropy],
      integers: [N, width, C, groups[0], 0, first, V],
      floats: [1 / temperature],
      groups: line(groups[0] * groups[1]),
    });
    const [next] = computeSums([{ terms: [{ a: slopes, b: rows }], columns: C, add: sum }]);
    release(slopes, ...(sum ? [sum] : []));
    sum = next;
  }
  return sum ?? output([N, C]);
}

/** Tokens of the vocabulary at a time: about 16 MB of slopes, in 64s because bindings begin at multiples of 256 bytes. */
export function chunkSize(N: number, V: number): number {
  const fitting = Math.floor((1 << 22) / N / 64) * 64;
  return Math.max(64, Math.min(fitting, Math.ceil(V / 64) * 64));
}

/** logits [B, V], uniforms of at least `first` + B numbers → ids int32 [B], log-probabilities [B]. */
export function sampleKernel(
  { logits, uniforms }: Inputs<'logits' | 'uniforms'>,
  { temperature, topK, topP, bannedId, first }: SampleOptions & { first: number },
): tf.TensorInfo[] {
  const [B = 0, V = 0] = logits.shape;
  const results = [output([B], 'int32'), output([B])];
  dispatch({
    name: 'sample',
    source: sampleSource,
    writes: results,
    reads: [logits, uniforms],
    integers: [B, V, first, topK, bannedId < 0 ? 0xffffffff : bannedId],
    floats: [temperature, topP],
    groups: line(B),
  });
  return results;
}
