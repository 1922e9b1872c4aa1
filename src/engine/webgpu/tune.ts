// Measures which tile of the matrix product suits this device, and how packed halves are best read, on products of the kind
// that a small language model is made of. Takes a fraction of a second on a GPU and a few on a software adapter, so callers
// remember it. Only what gives the bits of the default choice is taken, whatever a driver makes of it.

import { download } from '../download';
import { webgpuBackend } from '../private';
import { tf } from '../tf';
import { adapterTraits } from './adapter';
import { output, record } from './dispatch';
import { planSums } from './product-plan';
import {
  DEFAULT_CHOICE,
  type KernelChoice,
  kernelChoice,
  type SizeClass,
  type Tile,
  TILES,
  useKernels,
} from './tiles';

/** M, N, K of x · Wᵀ for each class: a short text through a projection, a batch into an MLP, a large one into a larger. */
const PRODUCTS: Record<SizeClass, [number, number, number]> = {
  small: [64, 256, 256],
  medium: [256, 512, 256],
  large: [1024, 1024, 64],
};

/** Of one measurement, so that the device's clock and the way to it weigh little. */
const [MOST_DISPATCHES, MILLISECONDS] = [64, 50];
const REPEATS = 3;

/** What replaces the default must be this much faster: smaller differences are noise. */
const WORTHWHILE = 0.9;

/** The fastest of everything; the products in use stay as they are. Rejects if the device is lost. */
export async function tuneKernels(): Promise<KernelChoice> {
  const before = kernelChoice();
  const best = { ...DEFAULT_CHOICE };
  try {
    for (const kind of Object.keys(PRODUCTS) as SizeClass[]) {
      const usual = await measure(DEFAULT_CHOICE, PRODUCTS[kind]);
      let least = WORTHWHILE * usual.milliseconds;
      for (const tile of candidates(DEFAULT_CHOICE[kind])) {
        const { bits, milliseconds } = await measure({ ...DEFAULT_CHOICE, [kind]: tile }, PRODUCTS[kind]);
        if (milliseconds >= least || !same(bits, usual.bits)) continue;
        least = milliseconds;
        best[kind] = tile;
      }
    }
    if (adapterTraits().half) {
      const unpacked = await measure(best, PRODUCTS.medium, 'float16');
      const read = await measure({ ...best, halves: true }, PRODUCTS.medium, 'float16');
      best.halves = read.milliseconds < WORTHWHILE * unpacked.milliseconds && same(read.bits, unpacked.bits);
    }
  } finally {
    useKernels(before);
  }
  return best;
}

/** A software adapter has no memory that is nearer to some invocations than to others. */
const candidates = (usual: Tile): Tile[] =>
  (Object.keys(TILES) as Tile[]).filter(
    (tile) => tile !== usual && !(adapterTraits().software && TILES[tile].staged),
  );

const same = (a: Uint32Array, b: Uint32Array): boolean => a.every((word, i) => word === b[i]);

/** What a product gives, W packed or not, and the least time of one dispatch. */
async function measure(
  choice: KernelChoice,
  [M, N, K]: [number, number, number],
  packing?: 'float16',
): Promise<{ bits: Uint32Array; milliseconds: number }> {
  useKernels(choice);
  const term = { a: 0, b: 1, K, transposeA: false, transposeB: true, ...(packing && { packing }) };
  const most = webgpuBackend().device.limits.maxStorageBuffersPerShaderStage;
  const [step] = planSums([{ M, N, terms: [term], scale: 1, gelu: false }], 2, most).steps;
  if (!step || !('program' in step)) throw new Error('a plain product is one dispatch');
  const [a, b] = [numbers([M, K]), packing ? words((N * K) / 2) : numbers([N, K])];
  const result = output([M, N]);
  const run = (times: number) =>
    elapsed(() => {
      for (let i = 0; i < times; i++) record(step.program, [result], [a, b]);
    });
  await run(1); // compiles
  const kept = tf.engine().makeTensorFromTensorInfo(result);
  const bits = new Uint32Array((await download(kept)).buffer);
  const times = Math.max(1, Math.min(MOST_DISPATCHES, Math.round(MILLISECONDS / (await run(1)))));
  let least = Infinity;
  for (let i = 0; i < REPEATS; i++) least = Math.min(least, (await run(times)) / times);
  tf.dispose([a, b, kept]);
  return { bits, milliseconds: least };
}

/** Numbers whose sums are rounded. */
const numbers = (shape: [number, number]): tf.Tensor =>
  tf.tidy(() => tf.reshape(tf.sin(tf.range(0, shape[0] * shape[1])), shape));

/** Words of two halves, a subnormal one, which a driver may take for 0, and one from 1 to 2. */
const words = (count: number): tf.Tensor =>
  tf.tensor1d(
    Int32Array.from({ length: count }, (_, i) => 0x3c000000 + ((i & 0x3ff) << 16) + ((i * 0x9e3b) & 0x3ff)),
    'int32',
  );

/** Milliseconds that the device takes for what is recorded, by its own clock if it has one. */
async function elapsed(recordAll: () => void): Promise<number> {
  const backend = webgpuBackend();
  const { device, queue } = backend;
  const deferred = tf.env().getNumber('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE');
  backend.endComputePassEncoder();
  if (backend.commandEncoder) backend.submitQueue();
  await queue.onSubmittedWorkDone();
  const clock = device.features.has('timestamp-query')
    ? device.createQuerySet({ type: 'timestamp', count: 2 })
    : null;
  tf.env().set('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE', Infinity);
  try {
    const began = performance.now();
    backend.ensureCommandEncoderReady();
    const encoder = backend.commandEncoder!;
    const timestampWrites = clock && {
      querySet: clock,
      beginningOfPassWriteIndex: 0,
      endOfPassWriteIndex: 1,
    };
    backend.computePassEncoder = encoder.beginComputePass(timestampWrites ? { timestampWrites } : {});
    recordAll();
    backend.endComputePassEncoder();
    if (!clock) {
      backend.submitQueue();
      await queue.onSubmittedWorkDone();
      return performance.now() - began;
    }
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    const times = device.createBuffer({ size: 16, usage: QUERY_RESOLVE | COPY_SRC });
    const read = device.createBuffer({ size: 16, usage: MAP_READ | COPY_DST });
    encoder.resolveQuerySet(clock, 0, 2, times, 0);
    encoder.copyBufferToBuffer(times, 0, read, 0, 16);
    backend.submitQueue();
    await read.mapAsync(GPUMapMode.READ);
    const [start = 0n, end = 0n] = new BigUint64Array(read.getMappedRange());
    for (const buffer of [times, read]) buffer.destroy();
    return Number(end - start) / 1e6;
  } finally {
    clock?.destroy();
    tf.env().set('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE', deferred);
  }
}
