// From the partial sums of token-logprobs to a row's log-probability, entropy, log-sum-exp, and whether its token is the
// likeliest. The token's own logit is summed in another order than the largest was, hence the margin.
struct Uniforms { M: u32, K: u32, parts: u32, inverse: f32 }

@group(0) @binding(0) var<storage, read_write> logprobs: array<f32>;
@group(0) @binding(1) var<storage, read_write> entropy: array<f32>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;
@group(0) @binding(3) var<storage, read_write> correct: array<f32>;
@group(0) @binding(4) var<storage, read> partial: array<vec4f>;
@group(0) @binding(5) var<storage, read> hidden: array<f32>;
@group(0) @binding(6) var<storage, read> head: array<f32>;
@group(0) @binding(7) var<storage, read> ids: array<i32>;
@group(0) @binding(8) var<uniform> u: Uniforms;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let m = (group.y * groups.x + group.x) * 64 + local;
  if (m >= u.M) { return; }
  var most = partial[m].x;
  for (var p = 1u; p < u.parts; p++) { most = max(most, partial[p * u.M + m].x); }
  var sum = 0.0;
  var mean = 0.0;
  for (var p = 0u; p < u.parts; p++) {
    let part = partial[p * u.M + m];
    let scale = exp(part.x - most);
    sum += part.y * scale;
    mean += (part.z + part.y * (part.x - most)) * scale;
  }
  var z = 0.0;
  let row = u32(ids[m]) * u.K;
  for (var k = 0u; k < u.K; k++) { z += hidden[m * u.K + k] * head[row + k]; }
  logprobs[m] = z * u.inverse - most - log(sum);
  entropy[m] = log(sum) - mean / sum;
  lse[m] = most + log(sum);
  correct[m] = select(0.0, 1.0, z * u.inverse >= most - 1e-5 * max(1, abs(most)));
}
