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

/** A program that can be recorded as often as wanted: what does not change from one time to the next. */
export interface Prepared {
  pipeline: GPUComputePipeline;
  layout: GPUBindGroupLayout;
  uniforms: () => GPUBuffer;
  groups: Dispatch['groups'];
}

interface Known {
  pipelines: Map<string, Omit<Prepared, 'uniforms' | 'groups'>>;
  /** By what is in them; null if that was seen once. */
  uniforms: Map<string, GPUBuffer | null>;
}

const knownOf = new WeakMap<GPUDevice, Known>();

function known(device: GPUDevice): Known {
  const found = knownOf.get(device) ?? { pipelines: new Map(), uniforms: new Map() };
  knownOf.set(device, found);
  return found;
}

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
  const most = webgpuBackend().device.limits.maxComputeWorkgroupsPerDimension;
  return count <= most ? [count, 1] : [most, Math.ceil(count / most)];
}

export function size({ shape }: tf.TensorInfo): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** Gives tensors their buffers where they have none yet, for which the commands so far may be submitted. */
function upload(tensors: readonly tf.TensorInfo[]): void {
  const backend = webgpuBackend();
  for (const { dataId } of tensors) backend.uploadToGPU(dataId);
}

/** The buffers of uploaded tensors that the command which is recorded next uses. */
function buffersOf(tensors: readonly tf.TensorInfo[]): GPUBuffer[] {
  const backend = webgpuBackend();
  return tensors.map(({ dataId }) => {
    backend.commandQueueOwnedIds.add(dataId);
    return backend.tensorMap.get(dataId).resource;
  });
}

/** Records copies of parts to parts of the same length. */
export function copyParts(copies: readonly { from: Part; to: Part }[]): void {
  const backend = webgpuBackend();
  const tensors = copies.flatMap(({ from, to }) => [from.tensor, to.tensor]);
  upload(tensors);
  const buffers = buffersOf(tensors);
  backend.endComputePassEncoder();
  backend.ensureCommandEncoderReady();
  copies.forEach(({ from, to }, i) => {
    const [source, target] = [buffers[2 * i]!, buffers[2 * i + 1]!];
    backend.commandEncoder!.copyBufferToBuffer(source, from.first * 4, target, to.first * 4, from.count * 4);
    forgetHostCopy(backend.tensorMap.get(to.tensor.dataId));
  });
}

/** Records the dispatch; it runs when tfjs next submits. */
export function dispatch(job: Dispatch): void {
  const { writes, reads, groups } = job;
  if (groups.includes(0)) return;
  const program = programOf(job, writes.length, reads.length);
  record({ ...program, uniforms: () => uniformBuffer(wordsOf(job), false), groups }, writes, reads);
}

/** For a program that will be recorded again with as many tensors, the same uniforms and workgroups. */
export function prepare(job: Omit<Dispatch, 'writes' | 'reads'>, writes: number, reads: number): Prepared {
  const program = programOf(job, writes, reads);
  const uniforms = uniformBuffer(wordsOf(job), true);
  return { ...program, uniforms: () => uniforms, groups: job.groups };
}

/** Records a prepared program; it runs when tfjs next submits. */
export function record(
  { pipeline, layout, uniforms, groups }: Prepared,
  writes: readonly tf.TensorInfo[],
  reads: readonly (tf.TensorInfo | Part)[],
): void {
  const backend = webgpuBackend();
  for (const { dataId } of writes) {
    const data = backend.tensorMap.get(dataId);
    if (data.resource as GPUBuffer | undefined) forgetHostCopy(data); // it is no new one
  }
  const bound = [...writes, ...reads];
  const tensors = bound.map((one) => ('tensor' in one ? one.tensor : one));
  upload(tensors);
  const uniform = uniforms(); // for which, too, the commands so far may be submitted
  const buffers = buffersOf(tensors);
  const entries: GPUBindGroupEntry[] = bound.map((one, binding) => {
    const part = 'tensor' in one ? { offset: one.first * 4, size: one.count * 4 } : {};
    return { binding, resource: { buffer: buffers[binding]!, ...part } };
  });
  entries.push({ binding: entries.length, resource: { buffer: uniform } });
  const bindGroup = backend.device.createBindGroup({ layout, entries });
  backend.ensureCommandEncoderReady();
  const pass = (backend.computePassEncoder ??= backend.commandEncoder!.beginComputePass());
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(...groups);
  backend.dispatchCountInPass++;
  if (backend.dispatchCountInPass >= tf.env().getNumber('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE')) {
    backend.endComputePassEncoder();
    backend.submitQueue();
  }
}

function programOf(
  { name, source, values = {}, key: made }: Pick<Dispatch, 'name' | 'source' | 'values' | 'key'>,
  writes: number,
  reads: number,
): Omit<Prepared, 'uniforms' | 'groups'> {
  const { device } = webgpuBackend();
  const { pipelines } = known(device);
  const key = [name, made ?? [writes, reads, ...Object.entries(values).flat()]].join();
  const found = pipelines.get(key);
  if (found) return found;
  // An explicit layout: with 'auto', a binding the shader does not use would be missing from it.
  const types: GPUBufferBindingType[] = [
    ...new Array<GPUBufferBindingType>(writes).fill('storage'),
    ...new Array<GPUBufferBindingType>(reads).fill('read-only-storage'),
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
  pipelines.set(key, { pipeline, layout });
  return { pipeline, layout };
}

/** tfjs caches what `.data()` read and would return it after an in-place write: such a tensor keeps no host copy. */
function forgetHostCopy(data: GpuTensorData): void {
  Object.defineProperty(data, 'values', { get: () => null, set: () => undefined, configurable: true });
}

function wordsOf({ integers = [], floats = [] }: Pick<Dispatch, 'integers' | 'floats'>) {
  const words = new Uint32Array(Math.max(4, Math.ceil((integers.length + floats.length) / 4) * 4));
  words.set(integers);
  new Float32Array(words.buffer).set(floats, integers.length);
  return words;
}

/** Contents of uniform buffers that are kept in mind. */
const MOST_UNIFORMS = 4096;

/** A uniform buffer with these words: most dispatches have what one before them had, so it is kept from the second time
 *  on, or at once if it is to `stay`. */
function uniformBuffer(words: Uint32Array<ArrayBuffer>, stay: boolean): GPUBuffer {
  const { bufferManager, device, queue, uniformPendingDisposal } = webgpuBackend();
  const { uniforms } = known(device);
  const key = words.join();
  const found = uniforms.get(key);
  if (found) return found;
  if (uniforms.size >= MOST_UNIFORMS) uniforms.clear();
  const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
  const keep = stay || found === null;
  const buffer = keep
    ? device.createBuffer({ size: words.byteLength, usage })
    : bufferManager.acquireBuffer(words.byteLength, usage);
  queue.writeBuffer(buffer, 0, words);
  if (!keep) uniformPendingDisposal.push(buffer);
  uniforms.set(key, keep ? buffer : null);
  return buffer;
}
