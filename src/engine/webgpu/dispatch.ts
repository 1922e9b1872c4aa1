// Records one dispatch of our own shader into tfjs's command stream. tfjs's runWebGPUProgram has one output, allows
// no in-place write and generates half the shader itself; here a kernel is a WGSL file, any number of outputs, and
// its scalars as one uniform struct, so nothing is uploaded but what the shader reads.

import { webgpuBackend, type GpuTensorData } from '../private';
import { tf } from '../tf';
import { expand, type Values } from './template';

/** `count` elements of a tensor from `first`; to be bound, `first` must be a multiple of 64, which are 256 bytes. */
export interface Part {
  tensor: tf.TensorInfo;
  first: number;
  count: number;
}

export interface Dispatch {
  /** Names the pipeline together with `values`, or with `key`. */
  name: string;
  /** WGSL; bindings in the order writes, reads, uniforms. Its entry point is `main`. Made when it is first needed. */
  source: string | (() => string);
  /** What the template is expanded with. */
  values?: Values;
  key?: string;
  /** Tensors written: new ones, or ones changed in place. */
  writes: tf.TensorInfo[];
  reads: (tf.TensorInfo | Part)[];
  /** The uniform struct: its u32 fields, then its f32 fields. */
  integers?: number[];
  floats?: number[];
  /** Workgroups in x, y, z. */
  groups: [number, number?, number?];
}

const pipelines = new WeakMap<GPUDevice, Map<string, GPUComputePipeline>>();

/** A new tensor on the GPU, not initialised. */
export function output(shape: number[], dtype: 'float32' | 'int32' = 'float32'): tf.TensorInfo {
  return webgpuBackend().makeTensorInfo(shape, dtype);
}

/** Frees a tensor that a kernel made for itself; the buffer lives until the commands that use it are submitted. */
export function release(...tensors: tf.TensorInfo[]): void {
  const backend = webgpuBackend();
  for (const { dataId } of tensors) backend.disposeData(dataId);
}

/** `count` workgroups in a line, folded where it exceeds what one dimension may hold; the shader checks its bounds. */
export function line(count: number): [number, number] {
  const most = 65535;
  return count <= most ? [count, 1] : [most, Math.ceil(count / most)];
}

export function size({ shape }: tf.TensorInfo): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** The buffer of a tensor that a command about to be recorded uses. */
function bufferOf({ dataId }: tf.TensorInfo): GPUBuffer {
  const backend = webgpuBackend();
  backend.uploadToGPU(dataId);
  backend.commandQueueOwnedIds.add(dataId);
  return backend.tensorMap.get(dataId).resource;
}

/** Records copies of parts to parts of the same length. */
export function copyParts(copies: readonly { from: Part; to: Part }[]): void {
  const backend = webgpuBackend();
  const buffers = copies.map(({ from, to }) => [bufferOf(from.tensor), bufferOf(to.tensor)] as const);
  backend.endComputePassEncoder();
  backend.ensureCommandEncoderReady();
  copies.forEach(({ from, to }, i) => {
    const [source, target] = buffers[i]!;
    backend.commandEncoder!.copyBufferToBuffer(source, from.first * 4, target, to.first * 4, from.count * 4);
    forgetHostCopy(backend.tensorMap.get(to.tensor.dataId));
  });
}

/** Records the dispatch; it runs when tfjs next submits. */
export function dispatch(job: Dispatch): void {
  const [x, y = 1, z = 1] = job.groups;
  if (x * y * z === 0) return;
  const backend = webgpuBackend();
  const entries: GPUBindGroupEntry[] = [];
  for (const bound of [...job.writes, ...job.reads]) {
    const buffer = bufferOf('tensor' in bound ? bound.tensor : bound);
    const part = 'tensor' in bound ? { offset: bound.first * 4, size: bound.count * 4 } : {};
    entries.push({ binding: entries.length, resource: { buffer, ...part } });
  }
  for (const { dataId } of job.writes) forgetHostCopy(backend.tensorMap.get(dataId));
  entries.push({ binding: entries.length, resource: { buffer: uniformBuffer(job) } });
  const pipeline = pipelineOf(job, backend.device);
  const bindGroup = backend.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  backend.ensureCommandEncoderReady();
  const pass = (backend.computePassEncoder ??= backend.commandEncoder!.beginComputePass());
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(x, y, z);
  backend.dispatchCountInPass++;
  if (backend.dispatchCountInPass >= tf.env().getNumber('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE')) {
    backend.endComputePassEncoder();
    backend.submitQueue();
  }
}

function pipelineOf(
  { name, source, values = {}, key: made, writes, reads }: Dispatch,
  device: GPUDevice,
): GPUComputePipeline {
  const cache = pipelines.get(device) ?? new Map<string, GPUComputePipeline>();
  pipelines.set(device, cache);
  const key = [name, made ?? [writes.length, reads.length, ...Object.entries(values).flat()]].join();
  const known = cache.get(key);
  if (known) return known;
  // An explicit layout: with 'auto', a binding the shader does not use would be missing from it.
  const types: GPUBufferBindingType[] = [
    ...writes.map(() => 'storage' as const),
    ...reads.map(() => 'read-only-storage' as const),
    'uniform',
  ];
  const layout = device.createBindGroupLayout({
    entries: types.map((type, binding) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type },
    })),
  });
  const module = device.createShaderModule({
    label: name,
    code: typeof source === 'string' ? expand(source, values) : source(),
  });
  const pipeline = device.createComputePipeline({
    label: name,
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module, entryPoint: 'main' },
  });
  cache.set(key, pipeline);
  return pipeline;
}

/** tfjs caches what `.data()` read and would return it after an in-place write: such a tensor keeps no host copy. */
function forgetHostCopy(data: GpuTensorData): void {
  Object.defineProperty(data, 'values', { get: () => null, set: () => undefined, configurable: true });
}

function uniformBuffer({ integers = [], floats = [] }: Dispatch): GPUBuffer {
  const { bufferManager, queue, uniformPendingDisposal } = webgpuBackend();
  const words = new Uint32Array(Math.max(4, Math.ceil((integers.length + floats.length) / 4) * 4));
  words.set(integers);
  new Float32Array(words.buffer).set(floats, integers.length);
  const buffer = bufferManager.acquireBuffer(
    words.byteLength,
    GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
  );
  queue.writeBuffer(buffer, 0, words);
  uniformPendingDisposal.push(buffer);
  return buffer;
}
