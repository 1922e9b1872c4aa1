// dL/dhidden from dL/dlogprob where Σ p·head is known: (head[id] − Σ p·head)/temperature times it.
struct Uniforms { size: u32, C: u32, inverse: f32 }

@group(0) @binding(0) var<storage, read_write> result: array<f32>; // [N, C]
@group(0) @binding(1) var<storage, read> expected: array<f32>; // [N, C]
@group(0) @binding(2) var<storage, read> head: array<f32>; // [V, C]
@group(0) @binding(3) var<storage, read> ids: array<i32>; // [N]
@group(0) @binding(4) var<storage, read> dLogprobs: array<f32>; // [N]
@group(0) @binding(5) var<uniform> u: Uniforms;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= u.size) { return; }
  let row = at / u.C;
  let own = head[u32(ids[row]) * u.C + at % u.C];
  result[at] = dLogprobs[row] * u.inverse * (own - expected[at]);
}
