// Sums of matrix products: tells the kernel of assembly/products.ts what to compute and in which tiles.

import type { Packing } from '../ops/dequantize';
import type { Product, Term } from '../ops/products';
import { tf } from '../tf';
import { Kernel, Packed } from './assembly/kernels';
import { addresses, attributes, type Attributes, type Inputs, matrix } from './inputs';
import { address, type Machine, output } from './machine';

/** What the kernels call each packing. */
export const PACKED: Readonly<Record<Packing, Packed>> = {
  float16: Packed.Float16,
  int8: Packed.Int8,
  nf4: Packed.Nf4,
  nf4_double: Packed.Nf4Double,
};

/** Multiply-adds below which a tile would be done before another thread has heard of it. */
const LEAST = 32_768;
/** Tiles of a job for each thread, so that all end at about the same time. */
const TILES = 4;
/** Columns of the least tile, and rows: what the register blocks are filled by. */
const COLUMNS = 32;
const ROWS = 64;

interface Described {
  c: tf.TensorInfo;
  gelu?: tf.TensorInfo | undefined;
  /** [N] or [M, N]. */
  bias?: tf.TensorInfo | undefined;
  add?: tf.TensorInfo | undefined;
  slope?: tf.TensorInfo | undefined;
  scale: number;
  m: number;
  n: number;
  /** Of all terms. */
  k: number;
  transposeA: boolean;
  terms: { integers: number[] }[];
}

const optional = (tensor: tf.TensorInfo | undefined): number => (tensor ? address(tensor) : 0);

/** A float32 as the integer of its bits. */
const bits = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0]!;

function run(machine: Machine, all: readonly Described[]): void {
  const work = all.reduce((sum, { m, n, k }) => sum + m * n * k, 0);
  const share = machine.threads === 1 ? Infinity : Math.max(LEAST, work / (TILES * machine.threads));
  let units = 0;
  const integers = all.flatMap((product) => {
    const { m, n, terms, c, gelu, bias, add, slope, scale } = product;
    const [rows, columns] = tile(product, share);
    units += Math.ceil(m / rows) * Math.ceil(n / columns);
    return [
      ...[address(c), ...[gelu, bias, add].map(optional), add?.shape.length === 2 ? n : 0, optional(slope)],
      ...[bits(scale), m, n, rows, columns, units, terms.length, ...terms.flatMap((term) => term.integers)],
    ];
  });
  machine.run({ kernel: Kernel.Products, integers, units });
}

/** Rows and columns of a product's tiles, of about `share` multiply-adds each. */
function tile({ m, n, k, transposeA }: Described, share: number): [rows: number, columns: number] {
  // Rows of a transposed matrix are packed for each tile beside another.
  if (transposeA) return [m > 512 ? 256 : 128, m > 1024 ? 256 : m > 128 ? 128 : 64];
  const columns = Math.min(n, Math.max(COLUMNS, COLUMNS * Math.floor(share / (m * k * COLUMNS))));
  const rows = Math.max(ROWS, 4 * Math.ceil(share / (columns * k * 4)));
  return [Math.min(m, rows), columns];
}

function describeTerm({ a, b, transposeA = false, transposeB = false }: Term): {
  m: number;
  n: number;
  k: number;
  integers: number[];
} {
  const [m, k] = transposeA ? [a.shape[1], a.shape[0]] : a.shape;
  const n = b.shape[transposeB ? 0 : 1];
  const packed = b instanceof tf.Tensor ? null : b;
  const packing = packed ? PACKED[packed.packing] : Packed.Not;
  const how = Number(transposeA) + 2 * Number(transposeB) + 4 * packing;
  const integers = [address(a), packed ? address(packed.packed) : address(b as tf.Tensor), k, how];
  return { m, n, k, integers: [...integers, packed ? address(packed.scales) : 0] };
}

/** `wanted`: those of ops/products.ts. */
export function products(machine: Machine, _: Inputs, attrs: Attributes): tf.TensorInfo[] {
  const { wanted } = attrs as unknown as { wanted: readonly Product[] };
  const all = wanted.map(({ terms, scale = 1, bias, add, slope, gelu }): Described => {
    const described = terms.map(describeTerm);
    const { m, n } = described[0]!;
    if (scale !== 1 && (bias ?? terms.length > 1))
      throw new Error('a scale goes with one product and no bias');
    return {
      ...{ c: output([m, n]), gelu: gelu ? output([m, n]) : undefined, bias, add, slope, scale, m, n },
      k: described.reduce((sum, { k }) => sum + k, 0),
      transposeA: terms.some(({ transposeA }) => transposeA),
      terms: described,
    };
  });
  run(machine, all);
  return all.flatMap(({ c, gelu }) => (gelu ? [c, gelu] : [c]));
}

/** One product, of tensors. */
export function matMul(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo {
  const [transposeA, transposeB, scale] = attributes(attrs, 'transposeA', 'transposeB', 'scale') as [
    number,
    number,
    number,
  ];
  const [rows, columns] = matrix(inputs, 'a');
  const [m, k] = transposeA ? [columns, rows] : [rows, columns];
  const n = matrix(inputs, 'b')[transposeB ? 0 : 1];
  const c = output([m, n]);
  const integers = [...addresses(inputs, 'a', 'b'), k, transposeA + 2 * transposeB, 0];
  run(machine, [
    { c, add: inputs['add'], scale, m, n, k, transposeA: transposeA === 1, terms: [{ integers }] },
  ]);
  return c;
}
