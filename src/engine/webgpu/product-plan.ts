// What is to be done for sums of matrix products of some shapes: which of them share a dispatch, and with which program.
// Tensors are numbers here: first those given, then those made on the way.

import type { Packing } from '../ops/dequantize';
import { adapterTraits } from './adapter';
import { line, type Prepared, prepare } from './dispatch';
import { programText, type Stored, type SumText } from './product-source';
import { kernelChoice } from './tiles';
import { innerOf, layoutOf, memoryOf, outerOf } from './tiling';

export interface PlannedTerm {
  a: number;
  b: number;
  K: number;
  transposeA: boolean;
  transposeB: boolean;
  /** Where b is packed: how, and its scales. */
  packing?: Packing;
  scales?: number;
}

export interface PlannedSum {
  M: number;
  N: number;
  terms: readonly PlannedTerm[];
  scale: number;
  gelu: boolean;
  bias?: number | undefined;
  add?: number | undefined;
  slope?: number | undefined;
}

interface Dispatched {
  program: Prepared;
  writes: number[];
  reads: number[];
}

/** A packed matrix made float32. */
interface Unpacked {
  packing: Packing;
  rows: number;
  columns: number;
  writes: [number];
  /** The words and the scales. */
  reads: [number, number];
}

export interface Plan {
  /** Shapes of the tensors that are made; those that are no results are let go at the end. */
  made: readonly (readonly number[])[];
  steps: readonly (Dispatched | Unpacked)[];
  results: readonly number[];
}

interface Ready extends PlannedSum {
  results: number[];
  /** Reads what the one before it writes. */
  continues: boolean;
}

/** For `given` tensors and a device that can bind at `most` so many buffers. */
export function planSums(sums: readonly PlannedSum[], given: number, most: number): Plan {
  const made: [number, number][] = [];
  const make = (rows: number, columns: number): number => given + made.push([rows, columns]) - 1;
  const steps: (Dispatched | Unpacked)[] = [];
  const readable = (term: PlannedTerm, { N }: PlannedSum): PlannedTerm => {
    const { packing, scales, a, b, K, transposeA, transposeB } = term;
    // A packed matrix is read four numbers at a time: one that is not made of fours is unpacked first.
    if (!packing || (N % 4 === 0 && K % 4 === 0)) return term;
    const [rows, columns] = transposeB ? [N, K] : [K, N];
    const whole = make(rows, columns);
    steps.push({ packing, rows, columns, writes: [whole], reads: [b, scales!] });
    return { a, b: whole, K, transposeA, transposeB };
  };
  const ready = sums.flatMap((sum) => {
    const terms = sum.terms.map((term) => readable(term, sum));
    return pieces({ ...sum, terms }, most, () => make(sum.M, sum.N));
  });
  let together: Ready[] = [];
  for (const sum of ready) {
    if (together.length > 0 && (sum.continues || bindings([...together, sum]) > most)) {
      steps.push(dispatched(together));
      together = [];
    }
    together.push(sum);
  }
  steps.push(dispatched(together));
  const last = ready.filter((_, i) => !ready[i + 1]?.continues);
  return { made, steps, results: last.flatMap(({ results }) => results) };
}

/** One sum, or several that add up to it where its matrices are too many to bind. */
function pieces(sum: PlannedSum, most: number, result: () => number): Ready[] {
  const { bias, slope, gelu, terms, ...rest } = sum;
  const ready: Ready[] = [];
  const begin = (term: PlannedTerm, add: number | undefined): Ready => {
    return { ...rest, gelu: false, add, terms: [term], results: [], continues: ready.length > 0 };
  };
  let last = begin(terms[0]!, sum.add);
  for (const term of terms.slice(1)) {
    const longer = { ...last, terms: [...last.terms, term] };
    if (bindings([{ ...longer, bias, slope, gelu }]) > most) {
      const part = result();
      ready.push({ ...last, results: [part] });
      last = begin(term, part);
    } else last = longer;
  }
  return [...ready, { ...last, bias, slope, gelu, results: gelu ? [result(), result()] : [result()] }];
}

/** A tensor that is read, and as what. */
export interface Read {
  tensor: number;
  kind: Stored;
  scales?: number | undefined;
}

const bound = ({ tensor, scales }: Read): number[] => (scales === undefined ? [tensor] : [tensor, scales]);

/** Everything that some sums read, each once, and the values of the WGSL that computes them. */
function describe(sums: readonly PlannedSum[]) {
  const reads: Read[] = [];
  const reader = (tensor: number | undefined, kind: Read['kind'], scales?: number): string => {
    if (tensor === undefined) return '';
    const same = (read: Read) => read.tensor === tensor && read.kind === kind;
    if (!reads.some(same)) reads.push({ tensor, kind, scales });
    return `read${reads.findIndex(same)}`;
  };
  const integers: [string, number][] = [];
  const floats: [string, number][] = [];
  let end = 0;
  let memory = 0; // of a workgroup, in fours
  const texts = sums.map(({ M, N, terms, scale, bias, add, slope, gelu }, P): SumText => {
    const shapes = terms.map(({ K, transposeA, transposeB }) => ({ M, N, K, transposeA, transposeB }));
    const layout = layoutOf(shapes);
    const [across, down] = layout.groups;
    end += across * down;
    integers.push([`M${P}`, M], [`N${P}`, N], [`across${P}`, across], [`end${P}`, end]);
    floats.push([`scale${P}`, scale]);
    const inner = shapes.map((shape) => innerOf(shape, layout));
    memory = Math.max(memory, memoryOf(layout, inner));
    const slices = layout.form === 'tiles' ? layout.SLICES : 1;
    const STORE4 = N % 4 === 0;
    const ELEMENT = STORE4 ? 'vec4f' : 'f32';
    return {
      form: layout.form,
      terms: terms.map(({ a, b, packing, scales, K }, T) => {
        integers.push([`K${P}_${T}`, K], [`cut${P}_${T}`, Math.ceil(K / slices / 4) * 4]);
        const kind = inner[T]!.ALIGNED ? 'vec4f' : 'f32';
        const halves = packing === 'float16';
        const read = halves && kernelChoice().halves && adapterTraits().half;
        const stored = read ? 'vec4h' : (packing ?? kind);
        const B = reader(b, stored, halves ? undefined : scales); // halves have no scales
        return { ...inner[T]!, P, T, A: reader(a, kind), B };
      }),
      values: {
        ...{ ...outerOf(layout, inner), P, FOUR: 4, STORE4, ELEMENT },
        RESULT: `result${P}`,
        GELU: gelu ? `gelu${P}` : '',
        BIAS: reader(bias, ELEMENT),
        ADD: reader(add, ELEMENT),
        SLOPE: reader(slope, ELEMENT),
      },
    };
  });
  return { reads, texts, integers, floats, memory, groups: end };
}

function bindings(sums: readonly PlannedSum[]): number {
  const results = sums.reduce((count, { gelu }) => count + (gelu ? 2 : 1), 0);
  return describe(sums).reads.flatMap(bound).length + results;
}

function dispatched(sums: readonly Ready[]): Dispatched {
  const { reads, texts, integers, floats, memory, groups } = describe(sums);
  const kinds = reads.map(({ kind }) => kind);
  const names = { integers: integers.map(([name]) => name), floats: floats.map(([name]) => name) };
  const writes = sums.flatMap(({ results }) => results);
  const read = reads.flatMap(bound);
  const job = {
    name: 'products',
    key: JSON.stringify([kinds, texts, memory]),
    source: () => programText(kinds, texts, names, memory),
    integers: integers.map(([, value]) => value),
    floats: floats.map(([, value]) => value),
    groups: line(groups),
  };
  return { program: prepare(job, writes.length, read.length), writes, reads: read };
}
