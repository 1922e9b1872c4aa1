// Chooses the kernels that are fastest on the device in use: as remembered, else by a short measurement.

import { isKernelChoice, type KernelChoice, useKernels } from '../engine/webgpu/tiles';
import type { DeviceReport } from '../shared/protocol';
import { readTuning, writeTuning } from '../storage/tuning-store';

const measure = async (): Promise<KernelChoice> => (await import('../engine/webgpu/tune')).tuneKernels();

/** Before a run on WebGPU; elsewhere there is nothing to choose. A run that resumes has its own choice. */
export async function chooseKernels({ backend, adapter }: DeviceReport, tune = measure): Promise<void> {
  if (backend !== 'webgpu') return;
  const { indexedDB } = globalThis as { indexedDB?: IDBFactory };
  // What cannot be remembered, under Node or in a private window, is measured again.
  const known = indexedDB ? await readTuning(adapter).catch(() => null) : null;
  if (isKernelChoice(known)) return useKernels(known);
  const chosen = await tune();
  useKernels(chosen);
  if (indexedDB) await writeTuning(adapter, chosen).catch(() => undefined);
}
