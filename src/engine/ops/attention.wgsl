// Causal attention forward: one invocation a query and head, walking the keys of its segment with a running softmax, so
// that no [T, T] tensor exists. The same file serves the key/value cache: T queries a row against S slots, from `start`.
struct Uniforms { B: u32, H: u32, T: u32, S: u32, start: u32, window: u32, scale: f32 }

//$ if ALIGNED
alias Element = vec4f;
fn inner(x: Element, y: Element) -> f32 { return dot(x, y); }
//$ else
alias Element = f32;
fn inner(x: Element, y: Element) -> f32 { return x * y; }
//$ end

@group(0) @binding(0) var<storage, read_write> result: array<Element>;
//$ if LSE
@group(0) @binding(1) var<storage, read_write> lse: array<f32>; // [B·H, T]
@group(0) @binding(2) var<storage, read> q: array<Element>;
@group(0) @binding(3) var<storage, read> k: array<Element>;
@group(0) @binding(4) var<storage, read> v: array<Element>;
@group(0) @binding(5) var<storage, read> segments: array<i32>; // [B, S]
@group(0) @binding(6) var<uniform> u: Uniforms;
//$ else
@group(0) @binding(1) var<storage, read> q: array<Element>;
@group(0) @binding(2) var<storage, read> k: array<Element>;
@group(0) @binding(3) var<storage, read> v: array<Element>;
@group(0) @binding(4) var<storage, read> segments: array<i32>; // [B, S]
@group(0) @binding(5) var<uniform> u: Uniforms;
//$ end

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
