// Sums of matrix products, as many of them in one dispatch as the device can bind: a training step of a small model is
// made of hundreds of products, and a dispatch costs more than many of them compute. How K is cut depends on the shape
// alone and nothing is added atomically, so that the same shapes give the same bits, whatever tile suits the device and
// whatever shares a dispatch.

import { NF4_LEVELS, type PackedMatrix, PER_WORD } from '../ops/dequantize';
import geluSource from '../ops/gelu-functions.wgsl?raw';
import packedSource from '../ops/packed.wgsl?raw';
import productSource from '../ops/product.wgsl?raw';
import tileSource from '../ops/tile.wgsl?raw';
import { webgpuBackend } from '../private';
import type { tf } from '../tf';
import { dequantizeKernel } from './dequantize';
import { dispatch, line, output, type Part, release } from './dispatch';
import { expand, type Values } from './template';
import { layoutOf, tileValues } from './tiling';

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
  /** Columns of b, where b is a part of a larger tensor and not transposed. */
  columns?: number;
}

interface Ready extends Sum {
  M: number;
  N: number;
  results: tf.TensorInfo[];
  /** Reads what the one before it writes. */
  continues: boolean;
}

/** What ops/products.ts asks for. */
export const productsKernel = (_: object, { wanted }: { wanted: readonly Sum[] }): tf.TensorInfo[] =>
  computeSums(wanted);

/** The results in order; a sum with `gelu` has two. */
export function computeSums(sums: readonly Sum[]): tf.TensorInfo[] {
  const most = webgpuBackend().device.limits.maxStorageBuffersPerShaderStage;
  const made: tf.TensorInfo[] = [];
  const ready = sums.flatMap((sum) => pieces(sum, most, made));
  let together: Ready[] = [];
  for (const sum of ready) {
    if (together.length > 0 && (sum.continues || bindings([...together, sum]) > most)) {
      record(together);
      together = [];
    }
    together.push(sum);
  }
  record(together);
  const results = ready.flatMap(({ results }) => results).filter((result) => !made.includes(result));
  release(...made);
  return results;
}

/** One sum, or several that add up to it where its matrices are too many to bind; what they make besides is `made`. */
function pieces(sum: Sum, most: number, made: tf.TensorInfo[]): Ready[] {
  const terms = sum.terms.map((term) => ({ ...term, b: readable(term.b, made) }));
  const [M, N] = extents(terms[0]!, sum.columns);
  const ready: Ready[] = [];
  const { bias, add, slope, gelu, ...rest } = sum;
  let last: Ready = { ...rest, add, terms: [], M, N, results: [], continues: false };
  for (const term of terms) {
    const longer = { ...last, bias, slope, gelu, terms: [...last.terms, term] };
    if (last.terms.length > 0 && bindings([longer]) > most) {
      const results = [output([M, N])];
      ready.push({ ...last, results });
      made.push(...results);
      last = { ...rest, add: results[0], terms: [term], M, N, results: [], continues: true };
    } else last = { ...last, terms: longer.terms };
  }
  const results = gelu ? [output([M, N]), output([M, N])] : [output([M, N])];
  return [...ready, { ...last, bias, slope, gelu, results }];
}

const isPacked = (b: Term['b']): b is PackedMatrix => 'packed' in b;

/** A packed matrix is read four numbers at a time: one that is not made of fours is unpacked first. */
function readable(b: Term['b'], made: tf.TensorInfo[]): Term['b'] {
  if (!isPacked(b) || b.shape.every((extent) => extent % 4 === 0)) return b;
  const [rows, columns] = b.shape;
  const whole = dequantizeKernel(b, { perWord: PER_WORD[b.packing], rows, columns });
  made.push(whole);
  return whole;
}

function extents({ a, b, transposeA, transposeB }: Term, columns?: number): [M: number, N: number] {
  const shape = 'tensor' in b ? b.tensor.shape : b.shape;
  return [a.shape[transposeA ? 1 : 0]!, columns ?? shape[transposeB ? 0 : 1]!];
}

interface Read {
  bound: tf.TensorInfo | Part | PackedMatrix;
  kind: 'f32' | 'vec4f' | 'packed';
}

const bound = ({ bound }: Read): (tf.TensorInfo | Part)[] =>
  'packed' in bound ? [bound.packed, bound.scales] : [bound];

/** Everything that some sums read, each once, and the values of the WGSL that computes them. */
function plan(sums: readonly Ready[]) {
  const reads: Read[] = [];
  const reader = (bound: Read['bound'] | undefined, kind: Read['kind']): string => {
    if (!bound) return '';
    const same = (read: Read) => read.bound === bound && read.kind === kind;
    if (!reads.some(same)) reads.push({ bound, kind });
    return `read${reads.findIndex(same)}`;
  };
  const integers: [string, number][] = [];
  const floats: [string, number][] = [];
  let end = 0;
  const products = sums.map((sum, P) => {
    const { M, N, terms, scale = 1, bias, add, slope, gelu = false } = sum;
    const lengths = terms.map(({ a, transposeA }) => a.shape[transposeA ? 0 : 1]!);
    const { groups, SLICES, SHARED, ...tile } = layoutOf(M, N, Math.max(...lengths));
    const [across, down] = groups;
    const STORE4 = N % 4 === 0;
    const ELEMENT = STORE4 ? 'vec4f' : 'f32';
    end += across * down;
    integers.push([`M${P}`, M], [`N${P}`, N], [`across${P}`, across], [`end${P}`, end]);
    floats.push([`scale${P}`, scale]);
    const shared = { P, ...tile, FOUR: 4, SHARED, SERIAL: SLICES > 1 && !SHARED, SLICES, STORE4, ELEMENT };
    return {
      terms: terms.map((term, T) => {
        const K = lengths[T]!;
        integers.push([`K${P}_${T}`, K], [`cut${P}_${T}`, Math.ceil(K / SLICES / 4) * 4]);
        const values = tileValues({ M, N, K }, term);
        const kind = values.ALIGNED ? 'vec4f' : 'f32';
        const B = reader(term.b, isPacked(term.b) ? 'packed' : kind);
        return { ...values, P, T, ...tile, A: reader(term.a, kind), B };
      }),
      values: {
        ...shared,
        RESULT: `result${P}`,
        GELU: gelu ? `gelu${P}` : '',
        BIAS: reader(bias, ELEMENT),
        ADD: reader(add, ELEMENT),
        SLOPE: reader(slope, ELEMENT),
      },
    };
  });
  return { reads, products, integers, floats, groups: end };
}

const bindings = (sums: readonly Ready[]): number =>
  plan(sums).reads.flatMap(bound).length + sums.reduce((count, { gelu }) => count + (gelu ? 2 : 1), 0);

function record(sums: readonly Ready[]): void {
  if (sums.length === 0) return;
  const { reads, products, integers, floats, groups } = plan(sums);
  const kinds = reads.map(({ bound, kind }) => ('packed' in bound ? bound.packing : kind));
  dispatch({
    name: 'products',
    key: JSON.stringify([kinds, products]),
    source: () => source(kinds, products, [integers, floats]),
    writes: sums.flatMap(({ results }) => results),
    reads: reads.flatMap(bound),
    integers: integers.map(([, value]) => value),
    floats: floats.map(([, value]) => value),
    groups: line(groups),
  });
}

/** Of a term of a sum, between the brackets of tile.wgsl's names. */
const TERM = `  {
  let K = u.K$P_$T;
  let first = slice * u.cut$P_$T;
  let last = max(first, min(first + u.cut$P_$T, K));
//$ include TILE
  }`;

type Planned = ReturnType<typeof plan>['products'];

function source(kinds: readonly string[], products: Planned, uniforms: [string, number][][]): string {
  let binding = 0;
  const place = () => `@group(0) @binding(${binding++})`;
  const lines: string[] = [];
  for (const { values } of products) {
    for (const name of [values.RESULT, values.GELU]) {
      if (name) lines.push(`${place()} var<storage, read_write> ${name}: array<${values.ELEMENT}>;`);
    }
  }
  kinds.forEach((kind, K) => {
    const plain = kind === 'f32' || kind === 'vec4f';
    const type = plain ? kind : kind === 'float16' ? 'vec2u' : 'u32';
    lines.push(`${place()} var<storage, read> data${K}: array<${type}>;`);
    if (plain) return lines.push(`fn read${K}(at: u32) -> ${kind} { return data${K}[at]; }`);
    lines.push(`${place()} var<storage, read> scales${K}: array<f32>;`);
    const packing = { HALF: kind === 'float16', INT8: kind === 'int8', NF4: kind === 'nf4' };
    return lines.push(expand(packedSource, { K, ...packing, LEVELS: levels }));
  });
  const fields = uniforms.flatMap((some, i) => some.map(([name]) => `${name}: ${i === 0 ? 'u32' : 'f32'}`));
  lines.push(`struct Uniforms { ${fields.join(', ')} }`, `${place()} var<uniform> u: Uniforms;`);
  if (products.some(({ values }) => values.SHARED)) lines.push('var<workgroup> parts: array<mat4x4f, 64>;');
  for (const T of ['f32', 'vec4f']) {
    const used = products.some(({ values }) => values.ELEMENT === T && (values.GELU || values.SLOPE));
    if (used) lines.push(expand(geluSource, { T }));
  }
  for (const { values, terms } of products) {
    const TERMS = terms.map((term) => expand(TERM, { ...term, TILE: tileSource })).join('\n');
    lines.push(expand(productSource, { ...values, TERMS } satisfies Values));
  }
  const choices = products.map(({ values: { P } }) => {
    const before = P > 0 ? ` - u.end${P - 1}` : '';
    return `if (at < u.end${P}) { product${P}(at${before}, local); }`;
  });
  lines.push(
    '@compute @workgroup_size(64)',
    'fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {',
    '  let at = group.y * groups.x + group.x;',
    `  ${choices.join(' else ')}`,
    '}',
  );
  return lines.join('\n');
}

const levels = NF4_LEVELS.map((level) => level.toFixed(19)).join(', ');
