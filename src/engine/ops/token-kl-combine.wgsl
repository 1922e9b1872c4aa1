// From what 64 invocations have seen of a row (token-kl) to its KL divergence, both log-sum-exps, and whether both
// predictors find the same token the likeliest.
struct Uniforms { N: u32 }

@group(0) @binding(0) var<storage, read_write> kl: array<f32>;
@group(0) @binding(1) var<storage, read_write> pLse: array<f32>;
@group(0) @binding(2) var<storage, read_write> qLse: array<f32>;
@group(0) @binding(3) var<storage, read_write> agree: array<f32>;
@group(0) @binding(4) var<storage, read> seen: array<vec4f>;
@group(0) @binding(5) var<uniform> u: Uniforms;

// The lowest token of the largest z so far.
fn likelier(best: vec2f, other: vec4f) -> vec2f {
  let wins = other.x > best.x || (other.x == best.x && other.w < best.y);
  return select(best, vec2f(other.x, other.w), wins);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = (group.y * groups.x + group.x) * 64 + local;
  if (row >= u.N) { return; }
  let at = row * 128;
  var bestP = vec2f(-1e30, 1e30);
  var bestQ = bestP;
  for (var i = 0u; i < 128; i += 2) {
    bestP = likelier(bestP, seen[at + i]);
    bestQ = likelier(bestQ, seen[at + i + 1]);
  }
  var sumP = 0.0;
  var sumQ = 0.0;
  var apart = 0.0;
  for (var i = 0u; i < 128; i += 2) {
    let ofP = seen[at + i];
    let ofQ = seen[at + i + 1];
    let keep = exp(ofP.x - bestP.x);
    sumP += ofP.y * keep;
    apart += ofP.z * keep;
    sumQ += ofQ.y * exp(ofQ.x - bestQ.x);
  }
  let lseP = bestP.x + log(sumP);
  let lseQ = bestQ.x + log(sumQ);
  kl[row] = apart / sumP - (lseP - lseQ); // Σ P (z_p − z_q) − log Z_p + log Z_q
  pLse[row] = lseP;
  qLse[row] = lseQ;
  agree[row] = select(0.0, 1.0, bestP.y == bestQ.y);
}
