// Makes tfjs kernels of ours: each reads its inputs' addresses, makes its outputs and runs one job or a few.

import { tf } from '../tf';
import { Kernel } from './assembly/kernels';
import { address, type Machine, output } from './machine';

type Inputs = Record<string, tf.TensorInfo>;
type Attributes = Record<string, number>;
type KernelFunction = (machine: Machine, inputs: Inputs, attrs: Attributes) => tf.TensorInfo | tf.TensorInfo[];

const input = (inputs: Inputs, name: string): tf.TensorInfo => {
  const found = inputs[name];
  if (!found) throw new Error(`kernel input ${name} is missing`);
  return found;
};

/** Rows and columns of a product's units: about 256 × 256, smaller where that would leave threads idle. */
function unitShape(m: number): [number, number] {
  const rows = m > 512 ? 256 : 128;
  const across = Math.ceil(m / rows);
  const cols = across >= 8 ? 256 : across >= 2 ? 128 : 64;
  return [rows, cols];
}

const matMul: KernelFunction = (machine, inputs, { transposeA, transposeB, scale = 1, addRank = 0 }) => {
  const a = input(inputs, 'a');
  const b = input(inputs, 'b');
  const add = addRank > 0 ? input(inputs, 'add') : undefined;
  const [m, k] = (transposeA ? [a.shape[1], a.shape[0]] : a.shape) as [number, number];
  const n = b.shape[transposeB ? 0 : 1] ?? 0;
  const out = output([m, n]);
  const [rows, cols] = unitShape(m);
  machine.run({
    kernel: Kernel.MatMul,
    integers: [
      ...[address(a), address(b), address(out), add ? address(add) : 0, m, n, k],
      ...[Number(transposeA), Number(transposeB), addRank === 2 ? n : 0, rows, cols],
    ],
    floats: [scale],
    units: Math.ceil(m / rows) * Math.ceil(n / cols),
  });
  return out;
};

const table: Record<string, KernelFunction> = { MatMul: matMul };

/** Registers every kernel as `Rlhf<Name>` for the wasm backend. */
export function registerKernels(machine: Machine): void {
  for (const [name, kernelFunction] of Object.entries(table)) {
    const kernelName = `Rlhf${name}`;
    if (tf.getKernel(kernelName, 'wasm')) tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel({
      kernelName,
      backendName: 'wasm',
      kernelFunc: ({ inputs, attrs }) => kernelFunction(machine, inputs as Inputs, attrs as unknown as Attributes),
    });
  }
}
