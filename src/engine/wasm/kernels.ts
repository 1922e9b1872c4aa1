// Makes tfjs kernels of ours: each reads its inputs' addresses, makes its outputs and runs one job.

import { type AdamwOptions, clipping } from '../ops/adamw';
import type { Packing } from '../ops/dequantize';
import { tf } from '../tf';
import { Kernel } from './assembly/kernels';
import { attention, attentionGrad, cachedAttention } from './attention';
import {
  addresses,
  attribute,
  attributes,
  type Attributes,
  elements,
  input,
  type Inputs,
  type KernelFunction,
  matrix,
  optional,
} from './inputs';
import { address, type Machine, output } from './machine';
import { matMul, PACKED, products } from './products';
import { sample, tokenKl, tokenKlGrad, tokenLogprobs, tokenLogprobsGrad } from './vocabulary';

// Work of a unit, as in assembly/.
const ELEMENTS = 16384;
const NORM_ROWS = 32;
const BLOCK_ROWS = 512;

/** Kernels that map rows of x to rows of a result of the same shape. */
function rowwise(kernel: Kernel, names: string[]): KernelFunction {
  return (machine, inputs, attrs) => {
    const [rows, columns] = matrix(inputs, 'x');
    const out = output([rows, columns]);
    machine.run({
      kernel,
      floats: attributes(attrs, 'eps'),
      integers: [...addresses(inputs, ...names), address(out), rows, columns, ...optional(inputs, 'add')],
      units: Math.ceil(rows / NORM_ROWS),
    });
    return out;
  };
}

function elementwise(kernel: Kernel, names: string[]): KernelFunction {
  return (machine, inputs) => {
    const out = output(input(inputs, 'x').shape);
    const size = elements(inputs, 'x');
    machine.run({
      kernel,
      integers: [...addresses(inputs, ...names), address(out), size],
      units: Math.ceil(size / ELEMENTS),
    });
    return out;
  };
}

function gatherRows(machine: Machine, inputs: Inputs): tf.TensorInfo {
  const [rows, C] = matrix(inputs, 'table');
  const N = elements(inputs, 'ids');
  const out = output([N, C]);
  machine.run({
    kernel: Kernel.GatherRows,
    integers: [...addresses(inputs, 'table', 'ids'), address(out), N, C, rows],
    units: Math.ceil(N / BLOCK_ROWS),
  });
  return out;
}

function scatterRows(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo {
  const [N, C] = matrix(inputs, 'x');
  const rows = attribute(attrs, 'rows');
  const out = output([rows, C]);
  machine.run({
    kernel: Kernel.ScatterRows,
    integers: [...addresses(inputs, 'x', 'ids'), address(out), N, C, rows],
    units: Math.ceil(rows / BLOCK_ROWS),
  });
  return out;
}

function sumRows(machine: Machine, inputs: Inputs): tf.TensorInfo {
  const C = matrix(inputs, 'x')[1];
  const rows = elements(inputs, 'starts') - 1;
  const out = output([rows, C]);
  machine.run({
    kernel: Kernel.SumRows,
    integers: [...addresses(inputs, 'x', 'starts', 'places'), address(out), C, rows],
    units: Math.ceil(rows / BLOCK_ROWS),
  });
  return out;
}

function rotary(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo {
  const [rows, width] = matrix(inputs, 'x');
  const heads = attribute(attrs, 'heads');
  const out = output([rows, width]);
  machine.run({
    kernel: Kernel.Rotary,
    floats: attributes(attrs, 'sign'),
    integers: [
      ...[...addresses(inputs, 'x', 'cos', 'sin'), address(out), rows],
      ...[heads, width / heads, matrix(inputs, 'cos')[1]],
    ],
    units: Math.ceil(rows / NORM_ROWS),
  });
  return out;
}

function swigluGrad(machine: Machine, inputs: Inputs): tf.TensorInfo[] {
  const outs = [0, 1].map(() => output(input(inputs, 'x').shape)); // dGate, dUp
  const size = elements(inputs, 'x');
  machine.run({
    kernel: Kernel.SwigluGrad,
    integers: [...addresses(inputs, 'x', 'up', 'dy'), ...outs.map(address), size],
    units: Math.ceil(size / ELEMENTS),
  });
  return outs;
}

function dequantize(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo {
  const [rows, columns] = attributes(attrs, 'rows', 'columns') as [number, number];
  const { packing } = attrs as unknown as { packing: Packing };
  const out = output([rows, columns]);
  machine.run({
    kernel: Kernel.Dequantize,
    integers: [...addresses(inputs, 'packed', 'scales'), address(out), rows * columns, PACKED[packing]],
    units: Math.ceil((rows * columns) / ELEMENTS),
  });
  return out;
}

/** In place; what it returns says nothing. */
function cacheWrite(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo {
  const [batch, slots, width] = input(inputs, 'cache').shape as [number, number, number];
  const [rows] = matrix(inputs, 'x');
  const start = attribute(attrs, 'start');
  if (start + rows / batch > slots) throw new Error(`slots ${start} … of a cache of ${slots} are not enough`);
  machine.run({
    kernel: Kernel.CacheWrite,
    integers: [...addresses(inputs, 'cache', 'x'), rows / batch, width, slots, start],
    units: batch,
  });
  return output([0]);
}

/** In place; what it returns says nothing. */
function adamw(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo {
  const { params, ...options } = attrs as unknown as AdamwOptions & { params: readonly tf.TensorInfo[] };
  const { learningRate, beta1, beta2, eps, weightDecay, step, limit } = options;
  const squares = (tf.backend().readSync(input(inputs, 'squares').dataId) as Float32Array)[0]!;
  const moments = addresses(inputs, 'grad', 'm', 'v');
  const corrections = [1 - beta1 ** step, 1 - beta2 ** step];
  const floats = [learningRate, beta1, beta2, eps, weightDecay, ...corrections, clipping(squares, limit)];
  let at = 0;
  for (const param of Number.isFinite(squares) ? params : []) {
    const size = tf.util.sizeFromShape(param.shape);
    const places = moments.map((place) => place + 4 * at);
    machine.run({
      kernel: Kernel.AdamW,
      floats,
      integers: [address(param), ...places, size],
      units: Math.ceil(size / ELEMENTS),
    });
    at += size;
  }
  return output([0]);
}

function sumOfSquares(machine: Machine, inputs: Inputs): tf.TensorInfo {
  const out = output([]);
  machine.run({
    kernel: Kernel.SumOfSquares,
    integers: [...addresses(inputs, 'x'), address(out), elements(inputs, 'x')],
    units: 1,
  });
  return out;
}

/** `threshold` of 2²⁴ is all. */
function dropout(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo {
  const out = output(input(inputs, 'x').shape);
  const size = elements(inputs, 'x');
  machine.run({
    kernel: Kernel.Dropout,
    floats: attributes(attrs, 'scale'),
    integers: [...addresses(inputs, 'x'), address(out), size, ...attributes(attrs, 'key', 'threshold')],
    units: Math.ceil(size / ELEMENTS),
  });
  return out;
}

const table: Record<string, KernelFunction> = {
  MatMul: matMul,
  Products: products,
  LayerNorm: rowwise(Kernel.LayerNorm, ['x', 'gamma', 'beta']),
  LayerNormGrad: rowwise(Kernel.LayerNormGrad, ['x', 'gamma', 'dy']),
  Gelu: elementwise(Kernel.Gelu, ['x']),
  GeluGrad: elementwise(Kernel.GeluGrad, ['x', 'dy']),
  Attention: attention,
  AttentionGrad: attentionGrad,
  CachedAttention: cachedAttention,
  CacheWrite: cacheWrite,
  Dequantize: dequantize,
  RmsNorm: rowwise(Kernel.RmsNorm, ['x', 'gamma']),
  RmsNormGrad: rowwise(Kernel.RmsNormGrad, ['x', 'gamma', 'dy']),
  Rotary: rotary,
  Swiglu: elementwise(Kernel.Swiglu, ['x', 'up']),
  SwigluGrad: swigluGrad,
  TokenLogprobs: tokenLogprobs,
  TokenLogprobsGrad: tokenLogprobsGrad,
  TokenKl: tokenKl,
  TokenKlGrad: tokenKlGrad,
  Sample: sample,
  GatherRows: gatherRows,
  ScatterRows: scatterRows,
  SumRows: sumRows,
  AdamW: adamw,
  SumOfSquares: sumOfSquares,
  Dropout: dropout,
};

/** Registers every kernel as `Rlhf<Name>` for the wasm backend, to run on the machine current at the call. */
export function registerKernels(current: () => Machine): void {
  for (const [name, kernelFunction] of Object.entries(table)) {
    tf.registerKernel({
      kernelName: `Rlhf${name}`,
      backendName: 'wasm',
      kernelFunc: ({ inputs, attrs }) =>
        kernelFunction(current(), inputs as Inputs, attrs as unknown as Attributes),
    });
  }
}
