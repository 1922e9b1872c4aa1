// dKL/dz for a chunk of the vocabulary: of the logits of p (OF_P) P · (log P − log Q − KL), of those of q Q − P.
struct Uniforms { size: u32, tokens: u32, inverse: f32 }

@group(0) @binding(0) var<storage, read_write> result: array<f32>; // [N, tokens]
@group(0) @binding(1) var<storage, read> p: array<f32>; // [N, tokens]
@group(0) @binding(2) var<storage, read> q: array<f32>; // [N, tokens]
@group(0) @binding(3) var<storage, read> pLse: array<f32>;
@group(0) @binding(4) var<storage, read> qLse: array<f32>;
@group(0) @binding(5) var<storage, read> kl: array<f32>;
@group(0) @binding(6) var<storage, read> dKl: array<f32>;
@group(0) @binding(7) var<uniform> u: Uniforms;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= u.size) { return; }
  let row = at / u.tokens;
  let logP = p[at] - pLse[row];
  let logQ = q[at] - qLse[row];
//$ if OF_P
  let slope = exp(logP) * (logP - logQ - kl[row]);
//$ else
  let slope = exp(logQ) - exp(logP);
//$ end
  result[at] = slope * dKl[row] * u.inverse;
}
