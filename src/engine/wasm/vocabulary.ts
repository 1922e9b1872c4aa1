// The kernels that meet the whole vocabulary: log-probabilities, divergence, and the sampler.

import type { tf } from '../tf';
import { Kernel } from './assembly/kernels';
import { addresses, attributes, type Attributes, type Inputs, matrix } from './inputs';
import { address, type Machine, output } from './machine';

/** Vocabulary entries of a chunk, as in assembly/logprobs.ts. */
const CHUNK = 256;

/** Rows of a unit, fewer for a few rows so that every thread has some. */
const logprobRows = (rows: number): number => (rows >= 512 ? 128 : 32);

export function tokenLogprobs(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo[] {
  const [N, C] = matrix(inputs, 'hidden');
  const [V] = matrix(inputs, 'head');
  const outs = [0, 1, 2, 3].map(() => output([N])); // logprobs, entropy, log-sum-exp, correct
  const slopes = attrs['slopes'] ? [output([N, C])] : [];
  const rows = logprobRows(N);
  machine.run({
    kernel: Kernel.TokenLogprobs,
    floats: attributes(attrs, 'temperature'),
    integers: [
      ...[...addresses(inputs, 'hidden', 'head', 'ids'), ...outs.map(address), N, V, C, rows],
      slopes[0] ? address(slopes[0]) : 0,
    ],
    units: Math.ceil(N / rows),
    scratch: rows * 32 + (rows + 1) * 4 * CHUNK,
  });
  return [...outs, ...slopes];
}

export function tokenLogprobsGrad(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo {
  const [N, C] = matrix(inputs, 'hidden');
  const [V] = matrix(inputs, 'head');
  const out = output([N, C]);
  const rows = logprobRows(N);
  const { slopes } = inputs;
  if (slopes) {
    machine.run({
      kernel: Kernel.ScaleRows,
      integers: [address(slopes), ...addresses(inputs, 'dLogprobs'), address(out), N, C, rows],
      units: Math.ceil(N / rows),
    });
    return out;
  }
  const names = ['hidden', 'head', 'ids', 'entropy', 'lse', 'dLogprobs', 'dEntropy'];
  machine.run({
    kernel: Kernel.TokenLogprobsGrad,
    floats: attributes(attrs, 'temperature'),
    integers: [...addresses(inputs, ...names), address(out), N, V, C, rows],
    units: Math.ceil(N / rows),
    scratch: (rows + 1) * 4 * CHUNK,
  });
  return out;
}

/** p, its head, its width; q, its head, its width. */
const predictors = (inputs: Inputs): number[] =>
  ['p', 'q'].flatMap((side) => [...addresses(inputs, side, `${side}Head`), matrix(inputs, side)[1]]);

export function tokenKl(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo[] {
  const [N] = matrix(inputs, 'p');
  const [V] = matrix(inputs, 'pHead');
  const outs = [0, 1, 2, 3].map(() => output([N])); // KL, both log-sum-exps, agree
  const rows = logprobRows(N);
  machine.run({
    kernel: Kernel.TokenKl,
    floats: attributes(attrs, 'temperature'),
    integers: [...predictors(inputs), ...outs.map(address), N, V, rows],
    units: Math.ceil(N / rows),
    scratch: rows * 56 + (2 * rows + 1) * 4 * CHUNK,
  });
  return outs;
}

export function tokenKlGrad(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo {
  const [ofP] = attributes(attrs, 'ofP') as [number];
  const [N, C] = matrix(inputs, ofP ? 'p' : 'q');
  const [V] = matrix(inputs, 'pHead');
  const out = output([N, C]);
  const rows = logprobRows(N);
  const rest = addresses(inputs, 'kl', 'pLse', 'qLse', 'dKl');
  machine.run({
    kernel: Kernel.TokenKlGrad,
    floats: attributes(attrs, 'temperature'),
    integers: [...predictors(inputs), ...rest, address(out), ofP, N, V, rows],
    units: Math.ceil(N / rows),
    scratch: (2 * rows + 1) * 4 * CHUNK,
  });
  return out;
}

export function sample(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo[] {
  const [rows, V] = matrix(inputs, 'logits');
  const ids = output([rows], 'int32');
  const logprobs = output([rows]);
  const [logits, uniforms] = addresses(inputs, 'logits', 'uniforms');
  machine.run({
    kernel: Kernel.Sample,
    floats: attributes(attrs, 'temperature', 'topP'),
    integers: [
      ...[logits!, uniforms! + 4 * attributes(attrs, 'first')[0]!, address(ids), address(logprobs), V],
      ...attributes(attrs, 'topK', 'bannedId'),
    ],
    units: rows,
    scratch: 12 * V,
  });
  return [ids, logprobs];
}
