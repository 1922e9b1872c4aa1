// Folds the logits of two predictors for a chunk of the vocabulary into what each invocation has seen of its row: every
// 64th token of it, in one pass, with no logit kept.
struct Uniforms { N: u32, tokens: u32, first: u32 }

// [N, 64, 2]: of p the largest z, Σ e^(z − largest), Σ e^(z − largest) (z − z_q) and the likeliest token; the same of q,
// but for the third.
@group(0) @binding(0) var<storage, read_write> seen: array<vec4f>;
@group(0) @binding(1) var<storage, read> p: array<f32>; // [N, tokens]
@group(0) @binding(2) var<storage, read> q: array<f32>; // [N, tokens]
@group(0) @binding(3) var<uniform> u: Uniforms;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = group.y * groups.x + group.x;
  if (row >= u.N) { return; }
  let at = (row * 64 + local) * 2;
  var ofP = vec4f(-1e30, 0, 0, 0);
  var ofQ = vec4f(-1e30, 0, 0, 0);
  if (u.first > 0) {
    ofP = seen[at];
    ofQ = seen[at + 1];
  }
  for (var v = local; v < u.tokens; v += 64) {
    let zP = p[row * u.tokens + v];
    let zQ = q[row * u.tokens + v];
    let id = f32(u.first + v);
    // The first of equal ones stays the likeliest.
    if (zP > ofP.x) {
      let keep = exp(ofP.x - zP);
      ofP = vec4f(zP, ofP.y * keep, ofP.z * keep, id);
    }
    if (zQ > ofQ.x) { ofQ = vec4f(zQ, ofQ.y * exp(ofQ.x - zQ), 0, id); }
    let weight = exp(zP - ofP.x);
    ofP.y += weight;
    ofP.z += weight * (zP - zQ);
    ofQ.y += exp(zQ - ofQ.x);
  }
  seen[at] = ofP;
  seen[at + 1] = ofQ;
}
