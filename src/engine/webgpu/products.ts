// Sums of matrix products, as many of them in one dispatch as the device can bind: a training step of a small model is
// made of hundreds of products, and a dispatch costs more than many of them compute. How K is cut depends on the shape
// alone and nothing is added atomically, so that the same shapes give the same bits, whatever tile suits the device and
// whatever shares a dispatch. What is to be done for sums of some shapes is worked out once (product-plan.ts).

import type { PackedMatrix } from '../ops/dequantize';
import { webgpuBackend } from '../private';
import type { tf } from '../tf';
import { adapterTraits } from './adapter';
import { dequantizeKernel } from './dequantize';
import { output, type Part, record, release } from './dispatch';
import { type Plan, planSums, type PlannedSum } from './product-plan';
import { kernelChoice } from './tiles';

/** As in ops/products.ts. */
interface Term {
  a: tf.TensorInfo;
  b: tf.TensorInfo | Part | PackedMatrix;
  transposeA?: boolean;
  transposeB?: boolean;
}

/** (scale · Σ terms + bias + add) · gelu′(slope), all [M, N] but bias [N]; with `gelu`, gelu of it is a second result. */
interface Sum {
  terms: readonly Term[];
  scale?: number;
  bias?: tf.TensorInfo | undefined;
  add?: tf.TensorInfo | undefined;
  slope?: tf.TensorInfo | undefined;
  gelu?: boolean | undefined;
  /** Columns of the result, where b is a part of a larger tensor. */
  columns?: number;
}

/** What ops/products.ts asks for. */
export const productsKernel = (_: object, { wanted }: { wanted: readonly Sum[] }): tf.TensorInfo[] =>
  computeSums(wanted);

const plans = new WeakMap<GPUDevice, Map<string, Plan>>();

/** The results in order; a sum with `gelu` has two. */
export function computeSums(sums: readonly Sum[]): tf.TensorInfo[] {
  const { device } = webgpuBackend();
  const { inputs, planned } = describe(sums);
  const known = plans.get(device) ?? new Map<string, Plan>();
  plans.set(device, known);
  const key = [variantKey(), ...planned.map(keyOf)].join(';');
  let plan = known.get(key);
  if (!plan) {
    plan = planSums(planned, inputs.length, device.limits.maxStorageBuffersPerShaderStage);
    known.set(key, plan);
  }
  return follow(plan, inputs);
}

/** All that a plan depends on besides the sums. */
function variantKey(): string {
  const { software, subgroup, half } = adapterTraits();
  const { small, medium, large, halves } = kernelChoice();
  return [small, medium, large, halves, software, subgroup, half].join();
}

const keyOf = ({ M, N, scale, bias, add, slope, gelu, terms }: PlannedSum): string =>
  [
    ...[M, N, scale, bias, add, slope, gelu],
    ...terms.flatMap(({ a, b, K, transposeA, transposeB, packing, scales }) => [
      ...[a, b, K, transposeA, transposeB, packing, scales],
    ]),
  ].join();

/** The sums in numbers, and the tensors that those stand for, each once. */
function describe(sums: readonly Sum[]): { inputs: (tf.TensorInfo | Part)[]; planned: PlannedSum[] } {
  const inputs: (tf.TensorInfo | Part)[] = [];
  const place = (input: tf.TensorInfo | Part): number => {
    const found = inputs.indexOf(input);
    return found < 0 ? inputs.push(input) - 1 : found;
  };
  const optional = (input?: tf.TensorInfo) => input && place(input);
  const planned = sums.map(({ terms, scale = 1, bias, add, slope, gelu = false, columns }): PlannedSum => {
    const of = terms.map(({ a, b, transposeA = false, transposeB = false }) => {
      const K = a.shape[transposeA ? 0 : 1]!;
      const packed = 'packed' in b ? { packing: b.packing, scales: place(b.scales) } : {};
      return { a: place(a), b: place('packed' in b ? b.packed : b), K, transposeA, transposeB, ...packed };
    });
    const { a, b, transposeA, transposeB } = terms[0]!;
    const shape = 'tensor' in b ? b.tensor.shape : b.shape;
    return {
      M: a.shape[transposeA ? 1 : 0]!,
      N: columns ?? shape[transposeB ? 0 : 1]!,
      ...{ terms: of, scale, gelu },
      ...{ bias: optional(bias), add: optional(add), slope: optional(slope) },
    };
  });
  return { inputs, planned };
}

function follow({ made, steps, results }: Plan, inputs: readonly (tf.TensorInfo | Part)[]): tf.TensorInfo[] {
  const tensors = made.map((shape) => output([...shape]));
  const own = (at: number): tf.TensorInfo => tensors[at - inputs.length]!;
  const any = (at: number) => inputs[at] ?? own(at);
  for (const step of steps) {
    if ('program' in step) record(step.program, step.writes.map(own), step.reads.map(any));
    else {
      const { packing, rows, columns } = step;
      const [packed, scales] = step.reads.map(any) as [tf.TensorInfo, tf.TensorInfo];
      const into = { packing, rows, columns, into: own(step.writes[0]) };
      dequantizeKernel({ packed, scales }, into);
    }
  }
  const wanted = results.map(own);
  release(...tensors.filter((tensor) => !wanted.includes(tensor)));
  return wanted;
}
