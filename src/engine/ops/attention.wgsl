// Causal attention forward: one invocation a query and head, walking the keys of its text with a running softmax, so that
// no [T, T] tensor exists. The same file serves the key/value cache, with one query a row.
//$ include INPUTS

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= u.N * u.H) { return; }
  let row = at % u.N;
  let h = at / u.N;
  let own = (row * u.H + h) * $D;
//$ for d in D
  let q$d = q[own + $d] * u.scale;
  var o$d = Element();
//$ end
  let keys = keysOf(row);
  var most = -1e30;
  var sum = 0.0;
  for (var j = keys.begin; j < keys.end; j++) {
    let key = keyAt(keys, j);
    if (key < 0) { continue; }
    let other = (u32(key) * u.H + h) * $D;
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
  let inverse = 1 / select(1, sum, keys.end > 0);
//$ for d in D
  result[own + $d] = o$d * inverse;
//$ end
//$ if FOREST
  lse[at] = select(0, most + log(sum), keys.end > 0);
//$ end
}
