// cache[b, start + i, c] = x[b·t + i, c], in place.
struct Uniforms { size: u32, t: u32, C: u32, slots: u32, start: u32 }

@group(0) @binding(0) var<storage, read_write> cache: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<uniform> u: Uniforms;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= u.size) { return; }
  let row = at / u.C;
  let slot = (row / u.t) * u.slots + u.start + row % u.t;
  cache[slot * u.C + at % u.C] = x[at];
}
