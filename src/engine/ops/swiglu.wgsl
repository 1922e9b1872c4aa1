// silu(gate) · up, or its two gradients (GRAD).
struct Uniforms { size: u32 }

//$ if GRAD
@group(0) @binding(0) var<storage, read_write> dGate: array<f32>;
@group(0) @binding(1) var<storage, read_write> dUp: array<f32>;
@group(0) @binding(2) var<storage, read> gate: array<f32>;
@group(0) @binding(3) var<storage, read> up: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<uniform> u: Uniforms;
//$ else
@group(0) @binding(0) var<storage, read_write> result: array<f32>;
@group(0) @binding(1) var<storage, read> gate: array<f32>;
@group(0) @binding(2) var<storage, read> up: array<f32>;
@group(0) @binding(3) var<uniform> u: Uniforms;
//$ end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= u.size) { return; }
  let x = gate[at];
  let s = 1 / (1 + exp(-clamp(x, -80, 80)));
//$ if GRAD
  dGate[at] = dy[at] * up[at] * s * (1 + x * (1 - s));
  dUp[at] = dy[at] * x * s;
//$ else
  result[at] = x * s * up[at];
//$ end
}
