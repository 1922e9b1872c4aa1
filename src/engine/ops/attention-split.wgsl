// Causal attention where the queries are too few to fill a GPU, as when a token at a time is written: a workgroup a query and
// head. Of a block of 64 keys each invocation takes one; then each has one element of the head, and sums up the values of
// every PARTSth key. Otherwise as attention.wgsl.
//$ include INPUTS

const NEVER = -1e30;
var<workgroup> ofKeys: array<f32, 64>; // scores of a block, then e^(score − the highest so far)
var<workgroup> parts: array<Element, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = group.y * groups.x + group.x;
  if (at >= u.B * u.H * u.T) { return; }
  let i = at % u.T;
  let h = (at / u.T) % u.H;
  let b = at / (u.T * u.H);
  let own = ((b * u.T + i) * u.H + h) * $D;
  let slot = u.start + i;
  let mine = segments[b * u.S + slot];
  let begin = select(0, slot + 1 - u.window, u.window > 0 && slot + 1 > u.window);
  let element = local % $D;
  let part = local / $D;
  var most = NEVER;
  var sum = 0.0;
  var o = Element();
  for (var first = begin; first <= slot; first += 64) {
    let j = first + local;
    var score = NEVER;
    if (j <= slot && segments[b * u.S + min(j, slot)] == mine) {
      let other = ((b * u.S + j) * u.H + h) * $D;
      score = 0;
      for (var d = 0u; d < $D; d++) { score += inner(q[own + d] * u.scale, k[other + d]); }
    }
    ofKeys[local] = score;
    workgroupBarrier();
    var highest = most;
    for (var n = 0u; n < 64; n++) { highest = max(highest, ofKeys[n]); }
    workgroupBarrier();
    ofKeys[local] = select(0, exp(score - highest), score > NEVER);
    workgroupBarrier();
    let keep = exp(most - highest);
    most = highest;
    sum *= keep;
    for (var n = 0u; n < 64; n++) { sum += ofKeys[n]; }
    o *= keep;
    for (var n = part; n < select(0, min(64, slot + 1 - first), part < $PARTS); n += $PARTS) {
      // What another segment has there may be no number.
      if (ofKeys[n] > 0) { o += ofKeys[n] * v[((b * u.S + first + n) * u.H + h) * $D + element]; }
    }
    workgroupBarrier();
  }
  parts[local] = o;
  workgroupBarrier();
  if (local < $D) {
    for (var p = 1u; p < $PARTS; p++) { o += parts[p * $D + local]; }
    result[own + local] = o * (1 / sum);
  }
//$ if LSE
  if (local == 0) { lse[at] = most + log(sum); }
//$ end
}
