// GELU in the tanh form, or its gradient (GRAD).
struct Uniforms { size: u32 }

@group(0) @binding(0) var<storage, read_write> result: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
//$ if GRAD
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<uniform> u: Uniforms;
//$ else
@group(0) @binding(2) var<uniform> u: Uniforms;
//$ end

//$ include GELU

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= u.size) { return; }
//$ if GRAD
  result[at] = dy[at] * slope_$T(x[at]);
//$ else
  result[at] = gelu_$T(x[at]);
//$ end
}
