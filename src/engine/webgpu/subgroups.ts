// How many neighbours of a workgroup share a subgroup, found by trying: WGSL leaves open which invocations do, and what a
// kernel adds up within one must be right on every driver.

const SHADER = `
enable subgroups;
@group(0) @binding(0) var<storage, read_write> met: array<u32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) local: u32) {
  var mine = 0u;
  for (var near = 1u; near < 64; near *= 2) {
    if (subgroupShuffleXor(local, near) == (local ^ near)) { mine |= near; }
  }
  met[local] = mine;
}`;

/** The largest power of two such that invocations of a workgroup in stretches of so many are always in one subgroup; 1 on
 *  a device without subgroups. */
export async function subgroupSize(device: GPUDevice, info: GPUAdapterInfo): Promise<number> {
  if (!device.features.has('subgroups')) return 1;
  const module = device.createShaderModule({ label: 'subgroups', code: SHADER });
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const met = device.createBuffer({ size: 256, usage: STORAGE | COPY_SRC });
  const read = device.createBuffer({ size: 256, usage: MAP_READ | COPY_DST });
  const layout = pipeline.getBindGroupLayout(0);
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer: met } }] }),
  );
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(met, 0, read, 0, 256);
  device.queue.submit([encoder.finish()]);
  await read.mapAsync(GPUMapMode.READ);
  const all = new Uint32Array(read.getMappedRange()).reduce((both, one) => both & one);
  read.destroy();
  met.destroy();
  // Another shader may run in smaller subgroups than this one did, down to the least of the adapter.
  let size = 1;
  while (size < Math.min(64, info.subgroupMinSize ?? 1) && (all & size) !== 0) size *= 2;
  return size;
}
