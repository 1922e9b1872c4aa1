// Draws one id a row by inverse transform, one workgroup a row. Top-k and top-p cut the row at a logit value found bit
// by bit (no sort): what is above it is kept, and of those equal to it the first `quota`. Sums have a fixed order, so
// they never decrease as more is kept, and repeat exactly.
struct Uniforms { B: u32, V: u32, first: u32, topK: u32, banned: u32, temperature: f32, topP: f32 }

@group(0) @binding(0) var<storage, read_write> ids: array<i32>;
@group(0) @binding(1) var<storage, read_write> logprobs: array<f32>;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> uniforms: array<f32>;
@group(0) @binding(4) var<uniform> u: Uniforms;

const SIZE = 64u;
var<workgroup> numbers: array<f32, SIZE>;
var<workgroup> bits: array<u32, SIZE>;
var<workgroup> found: vec2f; // segment, what is left of the target in it

// Orders as the logits do.
fn order(z: f32) -> u32 {
  let word = bitcast<u32>(select(z, 0, z == 0)); // −0 equals 0
  return select(word | 0x80000000, ~word, (word >> 31) == 1);
}

// The same, but 0 for the banned id: below all others.
fn key(v: u32, z: f32) -> u32 {
  return select(order(z), 0, v == u.banned);
}

fn logit(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffff, (key >> 31) == 1));
}

// The sum over the workgroup, in every invocation, each adding all up itself: barriers cost more than additions.
fn sum(value: f32, local: u32) -> f32 {
  workgroupBarrier();
  numbers[local] = value;
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < SIZE; i++) { total += numbers[i]; }
  return total;
}

fn largest(value: u32, local: u32) -> u32 {
  workgroupBarrier();
  bits[local] = value;
  workgroupBarrier();
  var most = 0u;
  for (var i = 0u; i < SIZE; i++) { most = max(most, bits[i]); }
  return most;
}

// How many have a key ≥ cut.
fn count(start: u32, cut: u32, local: u32) -> f32 {
  var n = 0.0;
  for (var v = local; v < u.V; v += SIZE) { n += select(0.0, 1.0, key(v, logits[start + v]) >= cut); }
  return sum(n, local);
}

fn weight(key: u32, top: f32) -> f32 {
  return select(exp((logit(key) - top) / u.temperature), 0, key == 0);
}

// The weight of all with a key ≥ cut.
fn mass(start: u32, cut: u32, top: f32, local: u32) -> f32 {
  var total = 0.0;
  for (var v = local; v < u.V; v += SIZE) {
    let k = key(v, logits[start + v]);
    total += select(0.0, weight(k, top), k >= cut);
  }
  return sum(total, local);
}

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = group.y * groups.x + group.x;
  if (row >= u.B) { return; }
  let V = u.V;
  let start = row * V;
  // The plain log-sum-exp, and the most likely token that is not banned (lowest id on ties).
  var bestKey = 0u;
  var highest = -3.4e38;
  for (var v = local; v < V; v += SIZE) {
    let z = logits[start + v];
    bestKey = max(bestKey, key(v, z));
    highest = max(highest, z);
  }
  let topKey = largest(bestKey, local);
  let top = logit(topKey);
  let most = logit(largest(order(highest), local));
  var plain = 0.0;
  var lowest = 0u;
  for (var v = local; v < V; v += SIZE) {
    let z = logits[start + v];
    plain += exp(z - most);
    if (key(v, z) == topKey) { lowest = max(lowest, ~v); }
  }
  let lse = most + log(sum(plain, local));
  let best = ~largest(lowest, local);
  if (u.temperature == 0) {
    if (local == 0) {
      ids[row] = i32(best);
      logprobs[row] = logits[start + best] - lse;
    }
    return;
  }

  var cut = 0u;
  var quota = f32(V);
  var kept = 0.0;
  if (u.topK > 0 && u.topK < V) {
    for (var bit = 0x80000000u; bit > 0; bit >>= 1) {
      cut |= select(0, bit, count(start, cut | bit, local) >= f32(u.topK));
    }
    quota = f32(u.topK) - count(start, cut + 1, local);
    kept = mass(start, cut + 1, top, local) + quota * weight(cut, top);
  } else if (u.topP < 1) {
    kept = mass(start, 0, top, local);
  }
  if (u.topP < 1) {
    let wanted = u.topP * kept;
    var edge = 0u;
    for (var bit = 0x80000000u; bit > 0; bit >>= 1) {
      let trial = edge | bit;
      let above = mass(start, trial, top, local);
      edge = select(edge, trial, trial <= cut || above >= wanted);
    }
    let above = mass(start, edge + 1, top, local);
    let needed = max(1, ceil((wanted - above) / weight(edge, top)));
    quota = select(needed, min(needed, quota), edge == cut);
    cut = edge;
  }

  // Each invocation owns a segment of consecutive ids, so that sums along them are sums in the order of ids.
  let segment = (V + SIZE - 1) / SIZE;
  let begin = min(local * segment, V);
  let to = min(begin + segment, V);
  var ties = 0.0;
  for (var v = begin; v < to; v++) { ties += select(0.0, 1.0, key(v, logits[start + v]) == cut); }
  workgroupBarrier();
  numbers[local] = ties;
  workgroupBarrier();
  var rank = 0.0;
  for (var i = 0u; i < local; i++) { rank += numbers[i]; }
  let firstRank = rank;
  var own = 0.0;
  for (var v = begin; v < to; v++) {
    let k = key(v, logits[start + v]);
    let tied = k == cut;
    own += select(0.0, weight(k, top), k > cut || (tied && rank < quota));
    rank += select(0.0, 1.0, tied);
  }
  workgroupBarrier();
  numbers[local] = own;
  workgroupBarrier();
  if (local == 0) {
    var total = 0.0;
    for (var i = 0u; i < SIZE; i++) { total += numbers[i]; }
    let goal = uniforms[u.first + row] * total;
    var reached = 0.0;
    found = vec2f(0, 0);
    for (var i = 0u; i < SIZE; i++) {
      if (numbers[i] > 0) {
        found = vec2f(f32(i), goal - reached);
        reached += numbers[i];
        if (reached > goal) { break; }
      }
    }
  }
  workgroupBarrier();
  if (u32(found.x) != local) { return; }
  var left = found.y;
  var id = best;
  rank = firstRank;
  for (var v = begin; v < to; v++) {
    let k = key(v, logits[start + v]);
    let tied = k == cut;
    let w = select(0.0, weight(k, top), k > cut || (tied && rank < quota));
    rank += select(0.0, 1.0, tied);
    if (w > 0) {
      id = v;
      left -= w;
      if (left < 0) { break; }
    }
  }
  ids[row] = i32(id);
  logprobs[row] = logits[start + id] - lse;
}
