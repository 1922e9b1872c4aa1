// Attention backward, probabilities recomputed from the log-sum-exp: p = exp(scale·q·k − lse),
// ds = p (dy·v − delta) scale. DQ: one invocation a query, dq = Σ_j ds k. DK and DV: one a key, dk = Σ_i ds q and
// dv = Σ_i p dy, over all that goes on from it. Three dispatches, as together they would bind more buffers than every device has.
struct Uniforms { N: u32, H: u32, window: u32, scale: f32 }

//$ if ALIGNED
alias Element = vec4f;
fn inner(x: Element, y: Element) -> f32 { return dot(x, y); }
//$ else
alias Element = f32;
fn inner(x: Element, y: Element) -> f32 { return x * y; }
//$ end

@group(0) @binding(0) var<storage, read_write> result: array<Element>;
@group(0) @binding(1) var<storage, read> q: array<Element>;
@group(0) @binding(2) var<storage, read> k: array<Element>;
@group(0) @binding(3) var<storage, read> nodes: array<i32>; // first, depth, end [N] and of [B·T]
@group(0) @binding(4) var<storage, read> lse: array<f32>; // [H, N]
@group(0) @binding(5) var<storage, read> dy: array<Element>;
//$ if DV
@group(0) @binding(6) var<uniform> u: Uniforms;
//$ else
@group(0) @binding(6) var<storage, read> v: array<Element>;
@group(0) @binding(7) var<storage, read> delta: array<f32>; // [H, N]
@group(0) @binding(8) var<uniform> u: Uniforms;
//$ end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= u.N * u.H) { return; }
  let row = at % u.N;
  let h = at / u.N;
  let here = (row * u.H + h) * $D;
  let depth = nodes[u.N + row];
  let window = select(0x7fffffff, i32(u.window), u.window > 0);
//$ for d in D
  //$ if DQ
  let x$d = q[here + $d] * u.scale;
  let y$d = dy[here + $d];
  //$ else
  let x$d = k[here + $d] * u.scale;
    //$ if DV
    //$ else
  let y$d = v[here + $d];
    //$ end
  //$ end
  var g$d = Element();
//$ end
//$ if DQ
  let ownLse = lse[at];
  let ownDelta = delta[at];
  let place = nodes[row];
  let origin = 3 * i32(u.N) + place - depth;
  for (var j = max(0, depth + 1 - window); j <= select(-1, depth, place >= 0); j++) {
    let there = (u32(nodes[origin + j]) * u.H + h) * $D;
    let p = exp(-ownLse
  //$ for d in D
      + inner(x$d, k[there + $d])
  //$ end
    );
    let ds = u.scale * p * (-ownDelta
  //$ for d in D
      + inner(y$d, v[there + $d])
  //$ end
    );
  //$ for d in D
    g$d += ds * k[there + $d];
  //$ end
  }
//$ else
  for (var other = row; other < u32(nodes[2 * u.N + row]); other++) {
    if (nodes[u.N + other] - depth >= window) { continue; }
    let there = (other * u.H + h) * $D;
    let query = h * u.N + other;
    let p = exp(-lse[query]
  //$ for d in D
      + inner(x$d, q[there + $d])
  //$ end
    );
  //$ if DV
    //$ for d in D
    g$d += p * dy[there + $d];
    //$ end
  //$ else
    let ds = u.scale * p * (-delta[query]
    //$ for d in D
      + inner(y$d, dy[there + $d])
    //$ end
    );
    //$ for d in D
    g$d += ds * q[there + $d];
    //$ end
  //$ end
  }
//$ end
//$ for d in D
  result[here + $d] = g$d;
//$ end
}
