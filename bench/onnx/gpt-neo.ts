// GPT-Neo as an ONNX file for generation with a cache: what a step needs and no more (logits of the last position only),
// with the operators that optimised exports for transformers.js are made of. Field numbers are onnx.proto's.

import type { ModelData } from '../data';
import { message, type Field } from './protobuf';

export interface OnnxModel {
  graph: Uint8Array;
  /** The weights, end to end; the graph points into them under this name. */
  weights: { path: string; data: Uint8Array };
}

const FLOAT = 1;
const INT64 = 7;
const path = 'weights';

type Attribute = number | { float: number } | string;

/**
 * Inputs: `input_ids`, `position_ids` int64 [B, T]; `mask.0` (and `mask.WINDOW` for local layers) [1, 1, T, S], 0 where a
 * query sees a key and very negative elsewhere; `past.LAYER.key`, `past.LAYER.value` [B, H, S − T, D]. Outputs: `logits`
 * [B, V] of the last position; `present.LAYER.key`, `present.LAYER.value` [B, H, S, D].
 */
export function exportGptNeo({ config, weights }: ModelData): OnnxModel {
  const { layers, heads, headDim, windows, vocabulary, epsilon } = config;
  const nodes: Field[] = [];
  const initializers: Field[] = [];
  const parts: Uint8Array[] = [];
  let end = 0;

  /** Points to values appended to the weights' file. */
  const constant = (name: string, type: number, shape: readonly number[], bytes: Uint8Array): string => {
    const entry = (key: string, value: string | number): Field => [13, [[1, key], [2, String(value)]]]; // prettier-ignore
    const place = [entry('location', path), entry('offset', end), entry('length', bytes.length)];
    initializers.push([5, [...shape.map((n): Field => [1, n]), [2, type], [8, name], ...place, [14, 1]]]);
    parts.push(bytes);
    end += bytes.length;
    return name;
  };
  const parameter = (name: string, transpose = false): string => {
    const { shape, values } = weights.get(name)!;
    const stored = transpose ? transposed(values, shape[0]!, shape[1]!) : values;
    const bytes = new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
    const extents = transpose ? [...shape].reverse() : shape;
    return constant(transpose ? `${name}.T` : name, FLOAT, extents, bytes);
  };
  /** One node; its first output, named so. */
  const node = (
    operator: string,
    inputs: string[],
    outputs: string | string[],
    attributes: Record<string, Attribute> = {},
    domain = '',
  ): string => {
    const names = [outputs].flat();
    nodes.push([
      1,
      [
        ...inputs.map((name): Field => [1, name]),
        ...names.map((name): Field => [2, name]),
        [3, names[0]!],
        [4, operator],
        ...Object.entries(attributes).map(([name, value]): Field => [5, attribute(name, value)]),
        [7, domain],
      ],
    ]);
    return names[0]!;
  };
  const linear = (name: string, x: string): string => {
    const full = `transformer.${name}`;
    const product = node('MatMul', [x, parameter(`${full}.weight`, true)], `${name}.product`);
    if (!weights.has(`${full}.bias`)) return product;
    return node('Add', [product, parameter(`${full}.bias`)], `${name}.sum`);
  };
  const norm = (name: string, x: string): string => {
    const [gamma, beta] = [`transformer.${name}.weight`, `transformer.${name}.bias`].map((key) =>
      parameter(key),
    );
    return node('LayerNormalization', [x, gamma!, beta!], name, { axis: -1, epsilon: { float: epsilon } });
  };

  const words = node('Gather', [parameter('transformer.wte.weight'), 'input_ids'], 'words');
  const places = node('Gather', [parameter('transformer.wpe.weight'), 'position_ids'], 'places');
  let x = node('Add', [words, places], 'embedded'); // [B, T, C]
  for (let i = 0; i < layers; i++) {
    const h = norm(`h.${i}.ln_1`, x);
    const [q, k, v] = ['q', 'k', 'v'].map((which) => linear(`h.${i}.attn.attention.${which}_proj`, h));
    const mixed = node(
      'MultiHeadAttention',
      [q!, k!, v!, '', '', `mask.${windows[i] ?? 0}`, `past.${i}.key`, `past.${i}.value`],
      [`h.${i}.mixed`, `present.${i}.key`, `present.${i}.value`],
      { num_heads: heads, scale: { float: 1 } },
      'com.microsoft',
    );
    const y = node('Add', [x, linear(`h.${i}.attn.attention.out_proj`, mixed)], `h.${i}.attended`);
    const inner = linear(`h.${i}.mlp.c_fc`, norm(`h.${i}.ln_2`, y));
    const active = node('Gelu', [inner], `h.${i}.active`, { approximate: 'tanh' });
    x = node('Add', [y, linear(`h.${i}.mlp.c_proj`, active)], `h.${i}.out`);
  }
  const last = constant('last', INT64, [], new Uint8Array(new BigInt64Array([-1n]).buffer));
  const final = norm('ln_f', node('Gather', [x, last], 'last.hidden', { axis: 1 })); // [B, C]
  node('MatMul', [final, parameter('transformer.wte.weight', true)], 'logits');

  const masks = [...new Set(windows)].map((window) => value(11, `mask.${window}`, FLOAT, [1, 1, 'T', 'S']));
  const cache = (number: number, name: string, length: string): Field[] =>
    Array.from({ length: layers }, (_, i) =>
      ['key', 'value'].map((part) =>
        value(number, `${name}.${i}.${part}`, FLOAT, ['B', heads, length, headDim]),
      ),
    ).flat();
  const graph: Field[] = [
    ...nodes,
    [2, 'gpt-neo'],
    ...initializers,
    value(11, 'input_ids', INT64, ['B', 'T']),
    value(11, 'position_ids', INT64, ['B', 'T']),
    ...masks,
    ...cache(11, 'past', 'P'),
    value(12, 'logits', FLOAT, ['B', vocabulary]),
    ...cache(12, 'present', 'S'),
  ];
  const operators = (domain: string, version: number): Field => [8, [[1, domain], [2, version]]]; // prettier-ignore
  const data = new Uint8Array(end);
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return {
    graph: message([[1, 9], operators('', 20), operators('com.microsoft', 1), [7, graph]]),
    weights: { path, data },
  };
}

/** An AttributeProto. */
function attribute(name: string, value: Attribute): Field[] {
  if (typeof value === 'number') return [[1, name], [3, value], [20, 2]]; // prettier-ignore
  if (typeof value === 'string') return [[1, name], [4, value], [20, 3]]; // prettier-ignore
  return [[1, name], [2, value], [20, 1]]; // prettier-ignore
}

/** A ValueInfoProto, as a graph's field `number`; extents are numbers or names. */
function value(number: number, name: string, type: number, shape: (number | string)[]): Field {
  const extents = shape.map((extent): Field => [1, [[typeof extent === 'number' ? 1 : 2, extent]]]);
  return [number, [[1, name], [2, [[1, [[1, type], [2, extents]]]]]]]; // prettier-ignore
}

function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) result[c * rows + r] = values[r * columns + c]!;
  }
  return result;
}
