// Every wasm kernel against its reference of plain tfjs ops on random shapes, forward and gradient, with outputs that
// start as NaN, so that an element not written is seen.
import { beforeAll, expect, test } from 'vitest';
import { openDevice } from '../src/engine/device';
import { matmul, matmulReference } from '../src/engine/ops/matmul';
import { wasmBackend } from '../src/engine/private';
import { hash32, normals } from '../src/engine/random';
import { hasKernel, tf } from '../src/engine/tf';

beforeAll(async () => {
  await openDevice('wasm');
  const backend = wasmBackend();
  const makeOutput = backend.makeOutput.bind(backend);
  backend.makeOutput = (...args) => {
    const info = makeOutput(...args);
    const { memoryOffset } = backend.dataIdMap.get(info.dataId);
    const memory = backend.wasm.wasmMemory ?? backend.wasm.asm!.memory;
    new Uint32Array(memory.buffer, memoryOffset, tf.util.sizeFromShape(info.shape)).fill(0x7fc00000);
    return info;
  };
});

/** A number in low … high, the same for the same words. */
const pick = (low: number, high: number, ...words: (number | string)[]): number =>
  low + (hash32(...words) % (high - low + 1));

const random = (shape: number[], ...words: (number | string)[]): tf.Tensor =>
  tf.tensor(normals(tf.util.sizeFromShape(shape), ...words), shape);

type Op = (...inputs: tf.Tensor[]) => tf.Tensor;

/** max|Δ| / max|reference|; NaN anywhere gives NaN. */
async function difference(a: tf.Tensor, b: tf.Tensor): Promise<number> {
  expect(a.shape).toEqual(b.shape);
  const [x, y] = [await a.data(), await b.data()];
  let delta = 0;
  let largest = 1e-6;
  for (let i = 0; i < x.length; i++) {
    delta = Math.max(delta, Math.abs(x[i]! - y[i]!));
    largest = Math.max(largest, Math.abs(y[i]!));
  }
  return delta / largest;
}

/** Value and gradients in every input of Σ op(inputs)·w for a random w, fused and reference. */
async function agree(fused: Op, reference: Op, inputs: tf.Tensor[], tolerance = 2e-5): Promise<void> {
  const value = fused(...inputs);
  expect(await difference(value, reference(...inputs))).toBeLessThan(tolerance);
  const weight = random(value.shape, 'dy', value.size);
  const gradients = (op: Op) => tf.grads((...xs) => tf.sum(tf.mul(op(...xs), weight)))(inputs);
  const expected = gradients(reference);
  const got = gradients(fused);
  for (let i = 0; i < inputs.length; i++) expect(await difference(got[i]!, expected[i]!)).toBeLessThan(tolerance);
}

test('matrix product: every transposition, scale, added matrix and row', async () => {
  expect(hasKernel('MatMul')).toBe(true);
  for (let trial = 0; trial < 48; trial++) {
    const [m, n, k] = [0, 1, 2].map((i) => pick(1, trial % 4 === 0 ? 8 : trial % 4 === 1 ? 330 : 70, trial, i)) as [number, number, number];
    const transposeA = trial % 2 === 1;
    const transposeB = trial % 4 >= 2;
    const inputs = [random(transposeA ? [k, m] : [m, k], trial, 'a'), random(transposeB ? [n, k] : [k, n], trial, 'b')];
    if (trial % 3 > 0) inputs.push(random(trial % 3 === 1 ? [n] : [m, n], trial, 'c'));
    const options = { transposeA, transposeB, scale: trial % 5 === 0 ? 0.37 : 1 };
    const call =
      (f: typeof matmul): Op =>
      (a, b, add) =>
        f(a as tf.Tensor2D, b as tf.Tensor2D, add ? { ...options, add } : options);
    await agree(call(matmul), call(matmulReference), inputs);
    tf.dispose(inputs);
  }
});
