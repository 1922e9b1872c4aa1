// delta[h, r] = Σ_d dy · out over one head: what the softmax's gradient subtracts from every key's dp.
struct Uniforms { size: u32, N: u32, H: u32 }

@group(0) @binding(0) var<storage, read_write> delta: array<f32>; // [H, N]
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> out: array<f32>;
@group(0) @binding(3) var<uniform> u: Uniforms;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= u.size) { return; }
  let own = (at % u.N * u.H + at / u.N) * $WIDTH;
  var sum = 0.0;
  for (var d = 0u; d < $WIDTH; d++) { sum += dy[own + d] * out[own + d]; }
  delta[at] = sum;
}
