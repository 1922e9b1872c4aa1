// How much more a graphics device gives. No interface tells how much memory there is, but the device says when there is
// no more: it is asked for what a run would take, and gives it back before the run begins.

import { webgpuBackend } from '../private';

/** Bytes of a buffer that is asked for, and of the smallest where larger ones are refused. */
const [PIECE, LEAST] = [2 ** 28, 2 ** 20];

/** How many of `bytes` more the device gives, to within the smallest buffer. */
export async function roomFor(bytes: number): Promise<number> {
  const { device } = webgpuBackend();
  const buffers: GPUBuffer[] = [];
  let given = 0;
  let piece = Math.min(PIECE, device.limits.maxBufferSize);
  while (given < bytes && piece >= LEAST) {
    const size = Math.min(piece, Math.ceil((bytes - given) / 4) * 4);
    device.pushErrorScope('out-of-memory');
    const buffer = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE });
    if (await device.popErrorScope()) {
      piece /= 2;
      continue;
    }
    buffers.push(buffer);
    given += size;
  }
  buffers.forEach((buffer) => buffer.destroy());
  return Math.min(given, bytes);
}
