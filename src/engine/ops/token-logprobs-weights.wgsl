// Of a chunk of the vocabulary: logits to probabilities, in place, among the tokens of this chunk and of those before it.
// MORE: what was summed up so far of probabilities times the output matrix shrinks to the same measure.
// A row is `segments` workgroups of `columns` fours; the partial results of token-logprobs are, of the chunk, first … last − 1.
struct Uniforms { M: u32, columns: u32, C: u32, segments: u32, first: u32, last: u32 }

@group(0) @binding(0) var<storage, read_write> weights: array<vec4f>; // [M, columns]
//$ if MORE
@group(0) @binding(1) var<storage, read_write> sum: array<f32>; // [M, C]
@group(0) @binding(2) var<storage, read> partial: array<vec4f>; // [parts, M]
@group(0) @binding(3) var<uniform> u: Uniforms;
//$ else
@group(0) @binding(1) var<storage, read> partial: array<vec4f>; // [parts, M]
@group(0) @binding(2) var<uniform> u: Uniforms;
//$ end

// Adds some parts to the largest z and Σ e^(z − largest) of a row.
fn adding(before: vec2f, row: u32, first: u32, last: u32) -> vec2f {
  var largest = before.x;
  for (var p = first; p < last; p++) { largest = max(largest, partial[p * u.M + row].x); }
  var sum = before.y * exp(before.x - largest);
  for (var p = first; p < last; p++) {
    let part = partial[p * u.M + row];
    sum += part.y * exp(part.x - largest);
  }
  return vec2f(largest, sum);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = group.y * groups.x + group.x;
  let row = at / u.segments;
  if (row >= u.M) { return; }
  let before = adding(vec2f(-1e30, 0), row, 0, u.first);
  let now = adding(before, row, u.first, u.last);
  let segment = at % u.segments;
  let length = (u.columns + u.segments - 1) / u.segments;
  let end = min((segment + 1) * length, u.columns);
  for (var c = segment * length + local; c < end; c += 64) {
    weights[row * u.columns + c] = exp(weights[row * u.columns + c] - now.x) / now.y;
  }
//$ if MORE
  let shrink = before.y * exp(before.x - now.x) / now.y;
  for (var k = segment * 64 + local; k < u.C; k += u.segments * 64) { sum[row * u.C + k] *= shrink; }
//$ end
}
