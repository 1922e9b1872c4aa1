// Sums of rows: row r of the result adds up the rows places[starts[r]] … places[starts[r + 1] − 1] of x, in that order.
// One invocation a number.
struct Uniforms { size: u32, C: u32 }

@group(0) @binding(0) var<storage, read_write> result: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> starts: array<u32>;
@group(0) @binding(3) var<storage, read> places: array<u32>;
@group(0) @binding(4) var<uniform> u: Uniforms;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= u.size) { return; }
  let row = at / u.C;
  var sum = 0.0;
  for (var p = starts[row]; p < starts[row + 1]; p++) { sum += x[places[p] * u.C + at % u.C]; }
  result[at] = sum;
}
