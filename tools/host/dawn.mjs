// Dawn's `navigator.gpu` for Node: Chrome's own WebGPU. The software driver (SOFTWARE_VULKAN) is taken only where there
// is no other.

export async function openDawn() {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  const hardware = create([]);
  const driver = process.env.SOFTWARE_VULKAN;
  if (driver === undefined || (await hardware.requestAdapter())) return hardware;
  process.env.VK_ICD_FILENAMES = driver;
  return create([]);
}
