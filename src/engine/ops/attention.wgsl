// Causal attention forward: one invocation a query and head, walking the keys of its segment with a running softmax, so
// that no [T, T] tensor exists. The same file serves the key/value cache: T queries a row against S slots, from `start`.
//$ include INPUTS

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= u.B * u.H * u.T) { return; }
  let i = at % u.T;
  let h = (at / u.T) % u.H;
  let b = at / (u.T * u.H);
  let own = ((b * u.T + i) * u.H + h) * $D;
//$ for d in D
  let q$d = q[own + $d] * u.scale;
  var o$d = Element();
//$ end
  let slot = u.start + i;
  let mine = segments[b * u.S + slot];
  let begin = select(0, slot + 1 - u.window, u.window > 0 && slot + 1 > u.window);
  var most = -1e30;
  var sum = 0.0;
  for (var j = begin; j <= slot; j++) {
    if (segments[b * u.S + j] != mine) { continue; }
    let other = ((b * u.S + j) * u.H + h) * $D;
    let score = 0.0
//$ for d in D
      + inner(q$d, k[other + $d])
//$ end
      ;
    let highest = max(most, score);
    let keep = exp(most - highest);
    let p = exp(score - highest);
    sum = sum * keep + p;
    most = highest;
//$ for d in D
    o$d = o$d * keep + p * v[other + $d];
//$ end
  }
  let inverse = 1 / sum;
//$ for d in D
  result[own + $d] = o$d * inverse;
//$ end
//$ if LSE
  lse[at] = most + log(sum);
//$ end
}
