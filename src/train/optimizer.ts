// AdamW over the variables of one adapter: gradients summed over micro-batches, clipped by their global norm, then
// one in-place update of all. In a checkpoint the moments are named as the variables are, a plain map of tensors.

import { download } from '../engine/download';
import { adamw } from '../engine/ops/adamw';
import { flatten } from '../engine/ops/flatten';
import { sumOfSquares } from '../engine/ops/sum-of-squares';
import { tf } from '../engine/tf';
import type { OptimizerSettings } from '../shared/experiment';

/** Runs `loss` and adds its gradients with respect to `variables` to `sums` (null before the first call); consumes
 *  `sums`. Returns the new sums, in the order of `variables`: zeros where the loss does not depend on one. */
export function accumulateGradients(
  loss: () => tf.Scalar,
  variables: readonly tf.Variable[],
  sums: tf.Tensor[] | null,
): tf.Tensor[] {
  const { value, grads } = tf.variableGrads(loss, [...variables]);
  value.dispose();
  return variables.map((variable, i) => {
    const grad = grads[variable.name] ?? tf.zerosLike(variable);
    const sum = sums?.[i];
    if (!sum) return grad;
    const total = tf.add(sum, grad);
    tf.dispose([sum, grad]);
    return total;
  });
}

/** The gradients of a loss that is the sum of what micro-batches add to it. */
export function gradientsOver<B>(
  batches: readonly B[],
  variables: readonly tf.Variable[],
  loss: (batch: B, index: number) => tf.Scalar,
): tf.Tensor[] {
  const sums = batches.reduce<tf.Tensor[] | null>(
    (before, batch, index) => accumulateGradients(() => loss(batch, index), variables, before),
    null,
  );
  return sums ?? [];
}

/** Parameters that are updated together, their moments end to end. */
interface Group {
  names: string[];
  variables: tf.Variable[];
  m: tf.Variable;
  v: tf.Variable;
}

/** Numbers of a group, unless one parameter alone has more: what is laid end to end exists twice meanwhile. */
const GROUP = 2 ** 22;

export class AdamW {
  /** Updates made so far. */
  step = 0;
  private readonly groups: readonly Group[];

  constructor(variables: ReadonlyMap<string, tf.Variable>) {
    const groups: [string, tf.Variable][][] = [];
    let size = Infinity;
    for (const entry of variables) {
      size += entry[1].size;
      if (size > GROUP) {
        groups.push([]);
        size = entry[1].size;
      }
      groups.at(-1).push(entry);
    }
    this.groups = groups.map((entries) => {
      const total = entries.reduce((sum, [, { size }]) => sum + size, 0);
      const zeros = (): tf.Variable => tf.tidy(() => tf.variable(tf.zeros([total]), false));
      return {
        names: entries.map(([name]) => name),
        variables: entries.map(([, variable]) => variable),
        m: zeros(),
        v: zeros(),
      };
    });
  }

  /** One update with the summed gradients, which it disposes, given in the order of the variables: recorded when this
   *  is called. The promise is of their global L2 norm before clipping; if that is not finite nothing is changed. */
  async update(
    grads: readonly tf.Tensor[],
    learningRate: number,
    settings: Pick<
      OptimizerSettings,
      'adam_beta1' | 'adam_beta2' | 'adam_epsilon' | 'weight_decay' | 'max_grad_norm'
    > & { adam_style?: 'torch' | 'tf' },
  ): Promise<number> {
    const { max_grad_norm, adam_epsilon: epsilon, adam_beta1: beta1, adam_beta2: beta2 } = settings;
    const step = ++this.step;
    // TensorFlow adds ε to the root of v before correcting its bias, which for us is a larger ε at first.
    const eps = settings.adam_style === 'tf' ? epsilon / Math.sqrt(1 - beta2 ** step) : epsilon;
    const { weight_decay: weightDecay } = settings;
    const options = { learningRate, beta1, beta2, eps, weightDecay, step, limit: max_grad_norm ?? 0 };
    let at = 0;
    const flat = this.groups.map(({ variables }) => flatten(grads.slice(at, (at += variables.length)))); // [P] each
    tf.dispose([...grads]);
    const squares = sumOfSquares(flat);
    this.groups.forEach(({ variables, m, v }, i) =>
      adamw(variables, { grad: flat[i]!, m, v, squares }, options),
    );
    tf.dispose(flat);
    const read = download(squares);
    squares.dispose();
    const norm = Math.sqrt((await read)[0]!);
    if (!Number.isFinite(norm)) this.step--;
    return norm;
  }

  /** The running means of the gradients (`m/NAME`) and of their squares (`v/NAME`). */
  async readMoments(): Promise<Map<string, { shape: number[]; values: Float32Array }>> {
    const moments = new Map<string, { shape: number[]; values: Float32Array }>();
    for (const { names, variables, ...kinds } of this.groups) {
      for (const kind of ['m', 'v'] as const) {
        const all = (await kinds[kind].data()) as Float32Array;
        let at = 0;
        variables.forEach(({ shape, size }, i) =>
          moments.set(`${kind}/${names[i]}`, { shape, values: all.slice(at, (at += size)) }),
        );
      }
    }
    return moments;
  }

  /** Goes on from moments that were read, given by the names they were read under. */
  writeMoments(of: (name: string) => Float32Array): void {
    for (const { names, variables, ...kinds } of this.groups) {
      for (const kind of ['m', 'v'] as const) {
        const all = new Float32Array(kinds[kind].size);
        let at = 0;
        variables.forEach(({ size }, i) => {
          all.set(of(`${kind}/${names[i]}`), at);
          at += size;
        });
        tf.tidy(() => kinds[kind].assign(tf.tensor1d(all)));
      }
    }
  }

  dispose(): void {
    for (const { m, v } of this.groups) tf.dispose([m, v]);
  }
}
