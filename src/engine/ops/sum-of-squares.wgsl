// Σ x² (SQUARE) or Σ x over a stretch of x, one number a workgroup, added as a fixed tree so that it repeats exactly.
struct Uniforms { size: u32, stretch: u32 }

@group(0) @binding(0) var<storage, read_write> result: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<uniform> u: Uniforms;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let end = min((group.x + 1) * u.stretch, u.size);
  var sum = 0.0;
  for (var i = group.x * u.stretch + local; i < end; i += 64) {
    let value = x[i];
//$ if SQUARE
    sum += value * value;
//$ else
    sum += value;
//$ end
  }
  sums[local] = sum;
  for (var half = 32u; half > 0; half /= 2) {
    workgroupBarrier();
    if (local < half) { sums[local] += sums[local + half]; }
  }
  if (local == 0) { result[group.x] = sums[0]; }
}
