// Causal attention where the queries are too few to fill a GPU, as when a token at a time is written: a workgroup a query and
// head. Of a block of 64 keys each invocation takes one; then each has one element of the head, and sums up the values of
// every PARTSth key. Otherwise as attention.wgsl.
//$ include INPUTS

const NEVER = -1e30;
var<workgroup> ofKeys: array<f32, 64>; // scores of a block, then e^(score − the highest so far)
var<workgroup> places: array<i32, 64>; // where the keys of a block lie
var<workgroup> parts: array<Element, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = group.y * groups.x + group.x;
  if (at >= u.N * u.H) { return; }
  let row = at % u.N;
  let h = at / u.N;
  let own = (row * u.H + h) * $D;
  let keys = keysOf(row);
  let element = local % $D;
  let part = local / $D;
  var most = NEVER;
  var sum = 0.0;
  var o = Element();
  for (var first = keys.begin; first < keys.end; first += 64) {
    let j = first + local;
    var key = -1;
    var score = NEVER;
    if (j < keys.end) { key = keyAt(keys, j); }
    if (key >= 0) {
      let other = (u32(key) * u.H + h) * $D;
      score = 0;
      for (var d = 0u; d < $D; d++) { score += inner(q[own + d] * u.scale, k[other + d]); }
    }
    ofKeys[local] = score;
    places[local] = key;
    workgroupBarrier();
    var highest = most;
    for (var n = 0u; n < 64; n++) { highest = max(highest, ofKeys[n]); }
    workgroupBarrier();
    ofKeys[local] = select(0, exp(score - highest), key >= 0);
    workgroupBarrier();
    let keep = exp(most - highest);
    most = highest;
    sum *= keep;
    for (var n = 0u; n < 64; n++) { sum += ofKeys[n]; }
    o *= keep;
    for (var n = part; n < select(0, min(64, keys.end - first), part < $PARTS); n += $PARTS) {
      // What another text has there may be no number.
      if (places[n] >= 0) { o += ofKeys[n] * v[(u32(places[n]) * u.H + h) * $D + element]; }
    }
    workgroupBarrier();
  }
  parts[local] = o;
  workgroupBarrier();
  if (local < $D) {
    for (var p = 1u; p < $PARTS; p++) { o += parts[p * $D + local]; }
    result[own + local] = o * (1 / select(1, sum, keys.end > 0));
  }
//$ if FOREST
  if (local == 0) { lse[at] = select(0, most + log(sum), keys.end > 0); }
//$ end
}
