// AdamW over the variables of one adapter: gradients summed over micro-batches, clipped by their global norm, then
// one in-place update. The moments are named as the variables are, so that a checkpoint is a plain map of tensors.

import { adamw } from '../engine/ops/adamw';
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

export class AdamW {
  /** Updates made so far. */
  step = 0;
  /** Running means of the gradients (`m/NAME`) and of their squares (`v/NAME`). */
  readonly moments = new Map<string, tf.Variable>();

  constructor(readonly variables: ReadonlyMap<string, tf.Variable>) {
    for (const [name, variable] of variables) {
      for (const kind of ['m', 'v']) {
        const zeros = tf.zerosLike(variable);
        this.moments.set(`${kind}/${name}`, tf.variable(zeros, false));
        zeros.dispose();
      }
    }
  }

  /** One update with the summed gradients, which it disposes, given in the order of `variables`. Returns their
   *  global L2 norm before clipping; if that is not finite nothing is changed. */
  async update(
    grads: readonly tf.Tensor[],
    learningRate: number,
    settings: Pick<
      OptimizerSettings,
      'adam_beta1' | 'adam_beta2' | 'adam_epsilon' | 'weight_decay' | 'max_grad_norm'
    > & { adam_style?: 'torch' | 'tf' },
  ): Promise<number> {
    const squares = sumOfSquares(grads);
    const norm = Math.sqrt((await squares.data())[0]!);
    squares.dispose();
    if (Number.isFinite(norm)) {
      this.step++;
      const { max_grad_norm: limit, adam_epsilon: epsilon, adam_beta2: beta2 } = settings;
      // TensorFlow adds ε to the root of v before correcting its bias, which for us is a larger ε at first.
      const tensorflow = settings.adam_style === 'tf';
      const options = {
        learningRate,
        beta1: settings.adam_beta1,
        beta2,
        eps: tensorflow ? epsilon / Math.sqrt(1 - beta2 ** this.step) : epsilon,
        weightDecay: settings.weight_decay,
        step: this.step,
        // As torch.nn.utils.clip_grad_norm_.
        gradScale: limit === null ? 1 : Math.min(1, limit / (norm + 1e-6)),
      };
      let i = 0;
      for (const [name, variable] of this.variables) {
        adamw(variable, grads[i++]!, this.moments.get(`m/${name}`)!, this.moments.get(`v/${name}`)!, options);
      }
    }
    tf.dispose([...grads]);
    return norm;
  }

  dispose(): void {
    tf.dispose([...this.moments.values()]);
  }
}
