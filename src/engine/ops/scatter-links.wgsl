// For each n: the next index with the same id (N if none), and whether n is the first with its id. The chains let
// scatter-rows add up in the order of n without atomics.
struct Uniforms { N: u32 }

@group(0) @binding(0) var<storage, read_write> links: array<vec2i>; // next, 1 if first
@group(0) @binding(1) var<storage, read> ids: array<i32>;
@group(0) @binding(2) var<uniform> u: Uniforms;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let n = (group.y * groups.x + group.x) * 64 + local;
  if (n >= u.N) { return; }
  let id = ids[n];
  var next = n + 1;
  while (next < u.N && ids[next] != id) { next++; }
  var before = 0u;
  while (before < n && ids[before] != id) { before++; }
  links[n] = vec2i(i32(next), select(0, 1, before == n));
}
