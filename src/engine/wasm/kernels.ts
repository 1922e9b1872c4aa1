// Makes tfjs kernels of ours: each reads its inputs' addresses, makes its outputs and runs one job.

import { type AdamwOptions, clipping } from '../ops/adamw';
import { NF4_LEVELS } from '../ops/dequantize';
import { tf } from '../tf';
import { Kernel } from './assembly/kernels';
import { address, type Machine, output } from './machine';

type Inputs = Record<string, tf.TensorInfo>;
type Attributes = Record<string, number | boolean>;
type KernelFunction = (
  machine: Machine,
  inputs: Inputs,
  attrs: Attributes,
) => tf.TensorInfo | tf.TensorInfo[];

const input = (inputs: Inputs, name: string): tf.TensorInfo => {
  const found = inputs[name];
  if (!found) throw new Error(`kernel input ${name} is missing`);
  return found;
};

const addresses = (inputs: Inputs, ...names: string[]): number[] =>
  names.map((name) => address(input(inputs, name)));

/** 0 for an input that is not given. */
const optional = (inputs: Inputs, name: string): [number] => [inputs[name] ? address(inputs[name]) : 0];

const attribute = (attrs: Attributes, name: string): number => {
  const found = attrs[name];
  if (found === undefined) throw new Error(`kernel attribute ${name} is missing`);
  return Number(found);
};

const attributes = (attrs: Attributes, ...names: string[]): number[] =>
  names.map((name) => attribute(attrs, name));

/** The shape of an input of two axes. */
const matrix = (inputs: Inputs, name: string): [number, number] =>
  input(inputs, name).shape as [number, number];

const elements = (inputs: Inputs, name: string): number => tf.util.sizeFromShape(input(inputs, name).shape);

// Work of a unit, as in assembly/.
const ELEMENTS = 16384;
const NORM_ROWS = 32;
const BLOCK_ROWS = 512;
const QUERIES = 32;
const CHUNK = 256;

/** Rows and columns of a product's units: up to 256 × 256, smaller where that would leave threads idle. */
function unitShape(m: number): [number, number] {
  const rows = m > 512 ? 256 : 128;
  const across = Math.ceil(m / rows);
  return [rows, across >= 8 ? 256 : across >= 2 ? 128 : 64];
}

function matMul(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo {
  const [transposeA, transposeB, addRank] = attributes(attrs, 'transposeA', 'transposeB', 'addRank');
  const a = matrix(inputs, 'a');
  const [m, k] = transposeA ? [a[1], a[0]] : a;
  const n = matrix(inputs, 'b')[transposeB ? 0 : 1];
  const out = output([m, n]);
  const [rows, cols] = unitShape(m);
  const [add] = addRank ? addresses(inputs, 'add') : [0];
  machine.run({
    kernel: Kernel.MatMul,
    floats: attributes(attrs, 'scale'),
    integers: [
      ...[...addresses(inputs, 'a', 'b'), address(out), add!],
      ...[m, n, k, transposeA!, transposeB!, addRank === 2 ? n : 0, rows, cols],
    ],
    units: Math.ceil(m / rows) * Math.ceil(n / cols),
  });
  return out;
}

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

/** Bytes of `blocks` blocks of scores of up to `keys` keys. */
const scoreBytes = (keys: number, blocks: number): number => 4 * QUERIES * (Math.ceil(keys / 4) * 4) * blocks;

function attention(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo[] {
  const [batch, heads, window] = attributes(attrs, 'batch', 'heads', 'window') as [number, number, number];
  const [rows, width] = matrix(inputs, 'q');
  const T = rows / batch;
  const out = output([rows, width]);
  const lse = output([batch * heads, T]);
  machine.run({
    kernel: Kernel.Attention,
    floats: attributes(attrs, 'scale'),
    integers: [
      ...[...addresses(inputs, 'q', 'k', 'v', 'segments'), address(out), address(lse)],
      ...[T, heads, width / heads, window, T, 0],
    ],
    units: batch * heads,
    scratch: scoreBytes(T, 1),
  });
  return [out, lse];
}

function attentionGrad(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo[] {
  const [batch, heads, window] = attributes(attrs, 'batch', 'heads', 'window') as [number, number, number];
  const [rows, width] = matrix(inputs, 'q');
  const T = rows / batch;
  const grads = [0, 1, 2].map(() => output([rows, width]));
  machine.run({
    kernel: Kernel.AttentionGrad,
    floats: attributes(attrs, 'scale'),
    integers: [
      ...addresses(inputs, 'q', 'k', 'v', 'segments', 'out', 'lse', 'dy'),
      ...[...grads.map(address), T, heads, width / heads, window],
    ],
    units: batch * heads,
    scratch: scoreBytes(T, 2),
  });
  return grads;
}

function cachedAttention(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo {
  const [batch, heads, window, start] = attributes(attrs, 'batch', 'heads', 'window', 'start');
  const [rows, width] = matrix(inputs, 'q');
  const slots = input(inputs, 'kCache').shape[1]!;
  const out = output([rows, width]);
  machine.run({
    kernel: Kernel.Attention,
    floats: attributes(attrs, 'scale'),
    integers: [
      ...[...addresses(inputs, 'q', 'kCache', 'vCache', 'segments'), address(out), 0],
      ...[rows / batch!, heads!, width / heads!, window!, slots, start!],
    ],
    units: batch! * heads!,
    scratch: scoreBytes(slots, 1),
  });
  return out;
}

/** Rows of a unit, fewer for a few rows so that every thread has some. */
const logprobRows = (rows: number): number => (rows >= 512 ? 128 : 32);

function tokenLogprobs(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo[] {
  const [N, C] = matrix(inputs, 'hidden');
  const [V] = matrix(inputs, 'head');
  const outs = [0, 1, 2, 3].map(() => output([N])); // logprobs, entropy, log-sum-exp, correct
  const rows = logprobRows(N);
  machine.run({
    kernel: Kernel.TokenLogprobs,
    floats: attributes(attrs, 'temperature'),
    integers: [...addresses(inputs, 'hidden', 'head', 'ids'), ...outs.map(address), N, V, C, rows],
    units: Math.ceil(N / rows),
    scratch: rows * 32 + (rows + 1) * 4 * CHUNK,
  });
  return outs;
}

function tokenLogprobsGrad(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo {
  const [N, C] = matrix(inputs, 'hidden');
  const [V] = matrix(inputs, 'head');
  const out = output([N, C]);
  const rows = logprobRows(N);
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

function sample(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo[] {
  const [rows, V] = matrix(inputs, 'logits');
  const ids = output([rows], 'int32');
  const logprobs = output([rows]);
  machine.run({
    kernel: Kernel.Sample,
    floats: attributes(attrs, 'temperature', 'topP'),
    integers: [
      ...[...addresses(inputs, 'logits', 'uniforms'), address(ids), address(logprobs), V],
      ...attributes(attrs, 'topK', 'bannedId'),
    ],
    units: rows,
    scratch: 12 * V,
  });
  return [ids, logprobs];
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

const levels = Array.from(new Int32Array(Float32Array.from(NF4_LEVELS).buffer));

function dequantize(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo {
  const [perWord, rows, columns] = attributes(attrs, 'perWord', 'rows', 'columns') as [
    number,
    number,
    number,
  ];
  const out = output([rows, columns]);
  machine.run({
    kernel: Kernel.Dequantize,
    integers: [...addresses(inputs, 'packed', 'scales'), address(out), rows * columns, perWord, ...levels],
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
  Sample: sample,
  GatherRows: gatherRows,
  ScatterRows: scatterRows,
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
