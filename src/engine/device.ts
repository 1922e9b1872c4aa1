// Opens the device the engine computes on: a hardware GPU through WebGPU with a device of our own (tfjs asks for
// neither the limits nor the features we need), or the CPU through WebAssembly. Runs in a worker, a page and Node.

import { PlaygroundError } from '../shared/errors';
import type { BackendName, DeviceReport } from '../shared/protocol';
import { boundPool } from './memory';
import { tf } from './tf';
import { computeAs } from './webgpu/adapter';

export interface DeviceOptions {
  /** Threads of the wasm engine; default: one for each processor, one where the page is not cross-origin isolated. */
  threads?: number;
}

type ProblemListener = (problem: PlaygroundError) => void;

const listeners = new Set<ProblemListener>();
let device: GPUDevice | null = null;

/** Calls back when the GPU is lost or reports an error no caller sees; returns how to stop that. */
export function onDeviceProblem(listener: ProblemListener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/**
 * Opens a device and makes it tfjs's backend. `auto` takes WebGPU only on a hardware adapter, since on the CPU the
 * wasm engine is faster than a software one. Throws `device-unavailable` if the preference cannot be met.
 */
export async function openDevice(
  preference: 'auto' | BackendName,
  options: DeviceOptions = {},
): Promise<DeviceReport> {
  if (preference === 'wasm') return openWasm('Chosen in the settings.', options);
  const adapter = await requestAdapter();
  if (preference === 'webgpu') {
    if (typeof adapter === 'string') {
      throw new PlaygroundError(
        'device-unavailable',
        `WebGPU was asked for, but ${adapter}.`,
        'Choose the device "auto" or "wasm", or use a current Chrome or Edge with hardware acceleration turned on.',
      );
    }
    return openWebGPU(adapter, 'Chosen in the settings.');
  }
  if (typeof adapter === 'string') return openWasm(`The CPU is used because ${adapter}.`, options);
  if (isSoftware(adapter)) {
    const reason = `The CPU is used because the only graphics adapter is software (${adapterName(adapter.info)}), which is slower.`;
    return openWasm(reason, options);
  }
  try {
    return await openWebGPU(adapter, 'A hardware graphics adapter was found.');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return openWasm(`The CPU is used because the graphics adapter could not be opened: ${why}`, options);
  }
}

/** The best adapter, or why there is none, as the end of a sentence. */
async function requestAdapter(): Promise<GPUAdapter | string> {
  const gpu = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  if (!gpu) return 'this browser offers no WebGPU';
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  return adapter ?? 'the browser found no graphics adapter';
}

/** True for adapters that compute on the CPU: SwiftShader, llvmpipe, WARP. */
function isSoftware({ info }: GPUAdapter): boolean {
  const words = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`;
  return info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|software|basic render/i.test(words);
}

const vendors: Record<string, string> = {
  amd: 'AMD',
  apple: 'Apple',
  arm: 'Arm',
  google: 'Google',
  imgtec: 'Imagination',
  intel: 'Intel',
  microsoft: 'Microsoft',
  nvidia: 'NVIDIA',
  qualcomm: 'Qualcomm',
};

/** What a person would call it. Browsers hide the model of most GPUs; then vendor and generation must do. */
function adapterName({ vendor, architecture, description }: GPUAdapterInfo): string {
  if (/swiftshader/i.test(`${architecture} ${description}`)) return 'SwiftShader';
  if (description) return description;
  return `${vendors[vendor] ?? vendor} ${architecture}`.trim() || 'unnamed graphics adapter';
}

async function openWebGPU(adapter: GPUAdapter, reason: string): Promise<DeviceReport> {
  if (!device) {
    const { limits } = adapter;
    const wanted = ['shader-f16', 'subgroups', 'timestamp-query'] as const;
    const opened = await adapter.requestDevice({
      requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
      requiredLimits: {
        maxBufferSize: limits.maxBufferSize,
        maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
        maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
        maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
        maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
        maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
      },
    });
    watch(opened);
    const [{ WebGPUBackend }, { installWebGPUKernels }, { subgroupSize }] = await Promise.all([
      import('@tensorflow/tfjs-backend-webgpu'),
      import('./webgpu/kernels'),
      import('./webgpu/subgroups'),
    ]);
    installWebGPUKernels();
    computeAs({
      software: isSoftware(adapter),
      subgroup: await subgroupSize(opened, adapter.info),
      half: opened.features.has('shader-f16'),
    });
    // Tensors of a few numbers would otherwise be computed in JavaScript, past our kernels.
    tf.env().set('WEBGPU_CPU_FORWARD', false);
    tf.removeBackend('webgpu'); // tfjs's own factory, or a backend whose device was lost
    tf.registerBackend('webgpu', () => new WebGPUBackend(opened, adapter.info));
    device = opened;
  }
  await select('webgpu');
  boundPool();
  return { backend: 'webgpu', adapter: adapterName(adapter.info), reason, threads: 1 };
}

/** Tells the listeners of what no promise reports. */
function watch(opened: GPUDevice): void {
  const tell = (problem: PlaygroundError) => listeners.forEach((listener) => listener(problem));
  void opened.lost.then(({ message }) => {
    if (device === opened) device = null;
    tell(
      new PlaygroundError(
        'device-lost',
        `The graphics device was lost: ${message || 'no reason given'}.`,
        'Resume the run from its last checkpoint; if it happens again, use smaller batches or the device "wasm".',
      ),
    );
  });
  opened.addEventListener('uncapturederror', ({ error }) => {
    const memory = error instanceof GPUOutOfMemoryError;
    tell(
      memory
        ? new PlaygroundError(
            'out-of-memory',
            `The graphics device has no memory left: ${error.message}`,
            'Use smaller batches or shorter sequences, or close other tabs.',
          )
        : new PlaygroundError(
            'bug',
            `The graphics device refused a command: ${error.message}`,
            'Choose the device "wasm", and please report this message.',
          ),
    );
  });
}

async function openWasm(reason: string, { threads }: DeviceOptions): Promise<DeviceReport> {
  const [wasm, { installWasmKernels }] = await Promise.all([
    import('@tensorflow/tfjs-backend-wasm'),
    import('./wasm'),
  ]);
  // Absent under Node, where tfjs's wasm knows no threads.
  const isolated = (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated ?? false;
  const wanted = isolated ? (threads ?? Math.min(globalThis.navigator.hardwareConcurrency, 8)) : 1;
  // tfjs's own threads would spin beside ours after each of its kernels.
  wasm.setThreadsCount(1);
  // Under Node tfjs finds the binaries beside its own files.
  if (!tf.env().get('IS_NODE')) wasm.setWasmPaths((await import('./wasm-paths')).wasmPaths);
  await select('wasm');
  const used = await installWasmKernels(wanted);
  const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
  const adapter = `CPU, ${used} thread${used === 1 ? '' : 's'}${simd ? ', SIMD' : ''}`;
  return { backend: 'wasm', adapter, reason, threads: used };
}

async function select(backend: BackendName): Promise<void> {
  const ok = await tf.setBackend(backend);
  await tf.ready();
  if (ok) return;
  throw new PlaygroundError(
    'device-unavailable',
    `The ${backend === 'wasm' ? 'WebAssembly' : 'WebGPU'} engine did not start.`,
    'Reload the page; if it happens again, choose the other device in the settings.',
  );
}
