// Keeps a number, scaled, where the hash of the key and its place reaches the threshold: MurmurHash3 over two words, as
// random.ts has it.
struct Uniforms { size: u32, key: u32, threshold: u32, scale: f32 }

@group(0) @binding(0) var<storage, read_write> result: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<uniform> u: Uniforms;

fn mix(hash: u32, word: u32) -> u32 {
  let k = word * 0xcc9e2d51u;
  let h = hash ^ (((k << 15) | (k >> 17)) * 0x1b873593u);
  return ((h << 13) | (h >> 19)) * 5 + 0xe6546b64u;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= u.size) { return; }
  var hash = mix(mix(0, u.key), at) ^ 8;
  hash = (hash ^ (hash >> 16)) * 0x85ebca6bu;
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35u;
  hash ^= hash >> 16;
  result[at] = select(0, x[at] * u.scale, (hash >> 8) >= u.threshold);
}
