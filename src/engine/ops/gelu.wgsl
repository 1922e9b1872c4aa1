// GELU in the tanh form, or its gradient (GRAD). tanh of large arguments overflows in some drivers, hence the clamp.
struct Uniforms { size: u32 }

@group(0) @binding(0) var<storage, read_write> result: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
//$ if GRAD
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<uniform> u: Uniforms;
//$ else
@group(0) @binding(2) var<uniform> u: Uniforms;
//$ end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= u.size) { return; }
  let value = x[at];
  let square = value * value;
  let t = tanh(clamp(0.7978845608 * value * (1 + 0.044715 * square), -15, 15));
//$ if GRAD
  let slope = 0.7978845608 * (1 + 0.134145 * square);
  result[at] = dy[at] * 0.5 * (1 + t + value * (1 - t * t) * slope);
//$ else
  result[at] = 0.5 * value * (1 + t);
//$ end
}
