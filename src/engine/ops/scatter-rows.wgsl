// Pass 0 (CLEAR) zeroes the result [rows, C]; pass 1 adds the rows of x [N, C] along each chain of equal ids.
struct Uniforms { size: u32, N: u32, C: u32 }

@group(0) @binding(0) var<storage, read_write> result: array<f32>;
//$ if CLEAR
@group(0) @binding(1) var<uniform> u: Uniforms;
//$ else
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> ids: array<i32>;
@group(0) @binding(3) var<storage, read> links: array<vec2i>;
@group(0) @binding(4) var<uniform> u: Uniforms;
//$ end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= u.size) { return; }
//$ if CLEAR
  result[at] = 0;
//$ else
  var n = at / u.C;
  let c = at % u.C;
  if (links[n].y == 0) { return; }
  let id = u32(ids[n]);
  var sum = 0.0;
  while (n < u.N) {
    sum += x[n * u.C + c];
    n = u32(links[n].x);
  }
  result[id * u.C + c] = sum;
//$ end
}
