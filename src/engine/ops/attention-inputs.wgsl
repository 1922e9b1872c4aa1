// What both ways of attention's forward pass read and write, and which keys a query sees: those of a forest of texts
// (attention.ts), or the slots of its row in a cache.
//$ if FOREST
struct Uniforms { N: u32, H: u32, window: u32, scale: f32 }
//$ else
struct Uniforms { N: u32, H: u32, S: u32, slot: u32, window: u32, scale: f32 }
//$ end

//$ if ALIGNED
alias Element = vec4f;
fn inner(x: Element, y: Element) -> f32 { return dot(x, y); }
//$ else
alias Element = f32;
fn inner(x: Element, y: Element) -> f32 { return x * y; }
//$ end

@group(0) @binding(0) var<storage, read_write> result: array<Element>;
//$ if FOREST
@group(0) @binding(1) var<storage, read_write> lse: array<f32>; // [H, N]
@group(0) @binding(2) var<storage, read> q: array<Element>;
@group(0) @binding(3) var<storage, read> k: array<Element>;
@group(0) @binding(4) var<storage, read> v: array<Element>;
@group(0) @binding(5) var<storage, read> nodes: array<i32>; // first, depth, end [N] and of [B·T]
@group(0) @binding(6) var<uniform> u: Uniforms;
//$ else
@group(0) @binding(1) var<storage, read> q: array<Element>; // [B, H·D], and N = B
@group(0) @binding(2) var<storage, read> k: array<Element>;
@group(0) @binding(3) var<storage, read> v: array<Element>;
@group(0) @binding(4) var<storage, read> segments: array<i32>; // [B, S]
@group(0) @binding(5) var<uniform> u: Uniforms;
//$ end

/** Of query `row`: where its text begins, and its keys from there, `begin` … `end` − 1. */
struct Keys { origin: u32, begin: u32, end: u32, row: u32 }

fn keysOf(row: u32) -> Keys {
//$ if FOREST
  let place = nodes[row];
  let depth = nodes[u.N + row];
  let end = u32(select(0, depth + 1, place >= 0));
  let origin = 3 * u.N + u32(max(place - depth, 0));
//$ else
  let end = u.slot + 1;
  let origin = row * u.S;
//$ end
  return Keys(origin, select(0, end - u.window, u.window > 0 && end > u.window), end, row);
}

/** Where key `j` of a query lies; −1 if it belongs to another text. */
fn keyAt(keys: Keys, j: u32) -> i32 {
//$ if FOREST
  return nodes[keys.origin + j];
//$ else
  return select(-1, i32(keys.origin + j), segments[keys.origin + j] == segments[keys.origin + u.slot]);
//$ end
}
