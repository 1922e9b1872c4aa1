// The WGSL of a dispatch of several sums of matrix products: what each reads and writes, and which workgroup does which.

import { NF4_LEVELS, type Packing } from '../ops/dequantize';
import geluSource from '../ops/gelu-functions.wgsl?raw';
import packedSource from '../ops/packed.wgsl?raw';
import scaleSource from '../ops/packed-scale.wgsl?raw';
import rowsSource from '../ops/product-rows.wgsl?raw';
import storeSource from '../ops/product-store.wgsl?raw';
import tilesSource from '../ops/product.wgsl?raw';
import { expand, type Values } from './template';

/** One sum: what its terms and itself are expanded with. */
export interface SumText {
  form: 'tiles' | 'rows';
  terms: readonly Values[];
  values: Values & { P: number; ELEMENT: string; RESULT: string; GELU: string; SLOPE: string };
}

/** Of a term of a sum, between the brackets of the names that its inner product knows. */
const TERM = `  {
  let K = u.K$P_$T;
//$ if SLICED
  let first = slice * u.cut$P_$T;
  let last = max(first, min(first + u.cut$P_$T, K));
//$ end
//$ include TILE
  }`;

/** How what is read lies in its buffer. */
export type Stored = 'f32' | 'vec4f' | 'vec4h' | Packing;

/** Everything is bound in the order results, reads, uniforms; `memory` is the workgroup's, in fours of numbers. */
export function programText(
  kinds: readonly Stored[],
  sums: readonly SumText[],
  uniforms: { integers: readonly string[]; floats: readonly string[] },
  memory: number,
): string {
  let binding = 0;
  const place = () => `@group(0) @binding(${binding++})`;
  const lines: string[] = [];
  if (sums.some(({ values }) => values['SUBGROUPS'])) lines.push('enable subgroups;');
  if (kinds.includes('vec4h')) lines.push('enable f16;');
  for (const { values } of sums) {
    for (const name of [values.RESULT, values.GELU]) {
      if (name) lines.push(`${place()} var<storage, read_write> ${name}: array<${values.ELEMENT}>;`);
    }
  }
  kinds.forEach((kind, K) => lines.push(...reader(kind, K, place)));
  const fields = [
    ...uniforms.integers.map((name) => `${name}: u32`),
    ...uniforms.floats.map((name) => `${name}: f32`),
  ];
  lines.push(`struct Uniforms { ${fields.join(', ')} }`, `${place()} var<uniform> u: Uniforms;`);
  if (memory > 0) lines.push(`var<workgroup> shared4: array<vec4f, ${memory}>;`);
  for (const T of ['f32', 'vec4f']) {
    const used = sums.some(({ values }) => values.ELEMENT === T && (values.GELU || values.SLOPE));
    if (used) lines.push(expand(geluSource, { T }));
  }
  for (const { form, values, terms } of sums) {
    const SLICED = form === 'tiles';
    const TERMS = terms.map((term) => expand(TERM, { ...term, SLICED })).join('\n');
    lines.push(expand(storeSource, values), expand(SLICED ? tilesSource : rowsSource, { ...values, TERMS }));
  }
  const choices = sums.map(({ values: { P } }) => {
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

/** The declarations of the function `readK`. */
function reader(kind: Stored, K: number, place: () => string): string[] {
  const bind = (name: string, element: string) =>
    `${place()} var<storage, read> ${name}${K}: array<${element}>;`;
  if (kind === 'f32' || kind === 'vec4f' || kind === 'vec4h') {
    const number = kind === 'f32' ? 'f32' : 'vec4f';
    return [bind('data', kind), `fn read${K}(at: u32) -> ${number} { return ${number}(data${K}[at]); }`];
  }
  const HALF = kind === 'float16';
  const DOUBLE = kind === 'nf4_double';
  const values = { K, HALF, INT8: kind === 'int8', NF4: kind === 'nf4' || DOUBLE, LEVELS: levels };
  const lines = [bind('data', HALF ? 'vec2u' : 'u32')];
  if (!HALF) lines.push(bind('scales', DOUBLE ? 'u32' : 'f32'), expand(scaleSource, { K, DOUBLE }));
  return [...lines, expand(packedSource, values)];
}
