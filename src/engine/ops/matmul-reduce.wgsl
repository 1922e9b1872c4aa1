// scale · Σ_s parts[s] + add, the slices in order.
struct Uniforms { size: u32, N: u32, slices: u32, scale: f32 }

@group(0) @binding(0) var<storage, read_write> result: array<f32>;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
//$ if ADD
@group(0) @binding(2) var<storage, read> add: array<f32>;
@group(0) @binding(3) var<uniform> uniforms: Uniforms;
//$ else
@group(0) @binding(2) var<uniform> uniforms: Uniforms;
//$ end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= uniforms.size) { return; }
  var sum = 0.0;
  for (var s = 0u; s < uniforms.slices; s++) { sum += parts[s * uniforms.size + at]; }
  sum *= uniforms.scale;
//$ if ADD
  //$ if ADDROW
  sum += add[at % uniforms.N];
  //$ else
  sum += add[at];
  //$ end
//$ end
  result[at] = sum;
}
