// From the partial sums of token-logprobs to a row's log-probability, entropy, log-sum-exp, and whether its token is the
// likeliest. The token's own logit is summed in another order than the largest was, hence the margin.
struct Uniforms { N: u32, C: u32, parts: u32, inverse: f32 }

@group(0) @binding(0) var<storage, read_write> logprobs: array<f32>;
@group(0) @binding(1) var<storage, read_write> entropy: array<f32>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;
@group(0) @binding(3) var<storage, read_write> correct: array<f32>;
@group(0) @binding(4) var<storage, read> partial: array<vec4f>;
@group(0) @binding(5) var<storage, read> hidden: array<f32>;
@group(0) @binding(6) var<storage, read> head: array<f32>;
@group(0) @binding(7) var<storage, read> ids: array<i32>;
@group(0) @binding(8) var<uniform> u: Uniforms;

//$ include ROW_SUMS

fn forRow(row: u32, local: u32) {
  var most = partial[row].x;
  for (var p = 1u; p < u.parts; p++) { most = max(most, partial[p * u.N + row].x); }
  var sums = vec2f(); // Σ e^(z − most), Σ e^(z − most) (z − most)
  for (var p = local; p < u.parts; p += SIZE) {
    let part = partial[p * u.N + row];
    let scale = exp(part.x - most);
    sums += vec2f(part.y, part.z + part.y * (part.x - most)) * scale;
  }
  sums = total(sums, local, 0);
  var z = 0.0;
  let own = u32(ids[row]) * u.C;
  for (var k = local; k < u.C; k += SIZE) { z += hidden[row * u.C + k] * head[own + k]; }
  z = total(vec2f(z, 0), local, 1).x * u.inverse;
  if (local > 0) { return; }
  logprobs[row] = z - most - log(sums.x);
  entropy[row] = log(sums.x) - sums.y / sums.x;
  lse[row] = most + log(sums.x);
  correct[row] = select(0.0, 1.0, z >= most - 1e-5 * max(1, abs(most)));
}
