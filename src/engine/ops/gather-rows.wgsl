// Rows of a table by index, one invocation a number; 0 where the index is outside of it.
struct Uniforms { size: u32, C: u32, rows: u32 }

@group(0) @binding(0) var<storage, read_write> result: array<f32>;
@group(0) @binding(1) var<storage, read> table: array<f32>;
@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<uniform> u: Uniforms;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= u.size) { return; }
  let row = ids[at / u.C];
  var value = 0.0;
  if (row < u.rows) { value = table[row * u.C + at % u.C]; }
  result[at] = value;
}
