// Attention backward, probabilities recomputed from the log-sum-exp: p = exp(scale·q·k − lse),
// ds = p (dy·v − delta) scale. DQ: one invocation a query, dq = Σ_j ds k. DK and DV: one a key, dk = Σ_i ds q and
// dv = Σ_i p dy. Three dispatches, as together they would bind more buffers than every device has.
struct Uniforms { B: u32, H: u32, T: u32, window: u32, scale: f32 }

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
@group(0) @binding(3) var<storage, read> segments: array<i32>; // [B, T]
@group(0) @binding(4) var<storage, read> lse: array<f32>; // [B·H, T]
@group(0) @binding(5) var<storage, read> dy: array<Element>;
//$ if DV
@group(0) @binding(6) var<uniform> u: Uniforms;
//$ else
@group(0) @binding(6) var<storage, read> v: array<Element>;
@group(0) @binding(7) var<storage, read> delta: array<f32>; // [B·H, T]
@group(0) @binding(8) var<uniform> u: Uniforms;
//$ end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= u.B * u.H * u.T) { return; }
  let own = at % u.T;
  let h = (at / u.T) % u.H;
  let b = at / (u.T * u.H);
  let here = ((b * u.T + own) * u.H + h) * $D;
  let mine = segments[b * u.T + own];
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
  let begin = select(0, own + 1 - u.window, u.window > 0 && own + 1 > u.window);
  for (var other = begin; other <= own; other++) {
    if (segments[b * u.T + other] != mine) { continue; }
    let there = ((b * u.T + other) * u.H + h) * $D;
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
  let to = select(u.T, min(u.T, own + u.window), u.window > 0);
  for (var other = own; other < to; other++) {
    if (segments[b * u.T + other] != mine) { continue; }
    let there = ((b * u.T + other) * u.H + h) * $D;
    let query = (b * u.H + h) * u.T + other;
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
