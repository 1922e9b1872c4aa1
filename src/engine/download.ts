// Numbers back from the device. A GPU runs dry while it is waited for, and each wait costs a round trip: tensors asked for
// at the same moment come back in one.

import { webgpuBackend } from './private';
import { tf } from './tf';
import { adapterTraits } from './webgpu/adapter';

type Numbers = Float32Array | Int32Array;

/** How many downloads of a chain of small steps may be under way while the next ones are recorded: on a GPU some, so that
 *  it does not run dry; none where the processor itself computes, since what is recorded too much costs time. */
export const downloadsUnderWay = (): number =>
  tf.getBackend() === 'webgpu' && !adapterTraits().software ? 4 : 0;

interface Asked {
  tensor: tf.Tensor;
  give: (values: Numbers) => void;
  fail: (reason: unknown) => void;
}

const asked: Asked[] = [];

/** The tensor's values as they are now; it may be disposed at once. */
export function download<T extends Numbers = Float32Array>(tensor: tf.Tensor): Promise<T> {
  if (tf.getBackend() !== 'webgpu') return tensor.data() as Promise<T>;
  return new Promise<Numbers>((give, fail) => {
    if (asked.length === 0) queueMicrotask(() => void fetchAll(asked.splice(0)));
    asked.push({ tensor: tf.keep(tf.clone(tensor)), give, fail });
  }) as Promise<T>;
}

async function fetchAll(wanted: Asked[]): Promise<void> {
  try {
    const backend = webgpuBackend();
    const { bufferManager } = backend;
    const ends = wanted.map(() => 0);
    let total = 0;
    wanted.forEach(({ tensor }, i) => (ends[i] = total += 4 * tensor.size));
    const staging = bufferManager.acquireBuffer(total, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
    for (const { tensor } of wanted) backend.uploadToGPU(tensor.dataId);
    backend.endComputePassEncoder();
    backend.ensureCommandEncoderReady();
    wanted.forEach(({ tensor: { dataId, size } }, i) => {
      const { resource } = backend.tensorMap.get(dataId);
      backend.commandEncoder!.copyBufferToBuffer(resource, 0, staging, ends[i]! - 4 * size, 4 * size);
    });
    backend.submitQueue();
    tf.dispose(wanted.map(({ tensor }) => tensor));
    await staging.mapAsync(GPUMapMode.READ);
    const mapped = staging.getMappedRange();
    const bytes = wanted.map(({ tensor: { size } }, i) => mapped.slice(ends[i]! - 4 * size, ends[i]));
    staging.unmap();
    bufferManager.releaseBuffer(staging);
    wanted.forEach(({ tensor, give }, i) =>
      give(tensor.dtype === 'float32' ? new Float32Array(bytes[i]!) : new Int32Array(bytes[i]!)),
    );
  } catch (error) {
    for (const { fail } of wanted) fail(error);
  }
}
