// scale · op(a) · op(b) + add, or, with SLICES, the partial products of slices of K that matmul-reduce adds up in
// order: enough invocations for a GPU where the result is small and K long, with the same bits every time.
struct Uniforms { M: u32, N: u32, K: u32, slice: u32, scale: f32 }

//$ if STORE4
@group(0) @binding(0) var<storage, read_write> result: array<vec4f>;
//$ else
@group(0) @binding(0) var<storage, read_write> result: array<f32>;
//$ end
//$ if ALIGNED
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
//$ else
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
//$ end
//$ if ADD
  //$ if STORE4
@group(0) @binding(3) var<storage, read> add: array<vec4f>;
  //$ else
@group(0) @binding(3) var<storage, read> add: array<f32>;
  //$ end
@group(0) @binding(4) var<uniform> uniforms: Uniforms;
//$ else
@group(0) @binding(3) var<uniform> uniforms: Uniforms;
//$ end

const STRIDE = $WX;

fn put(m: u32, block: u32, product: vec4f, slice: u32) {
  let N = uniforms.N;
  if (m >= uniforms.M || block * 4 >= N) { return; }
//$ if SLICES
  let value = product;
//$ else
  let value = product * uniforms.scale;
//$ end
//$ if STORE4
  let at = (slice * uniforms.M + m) * (N / 4) + block;
  //$ if ADD
    //$ if ADDROW
  result[at] = value + add[block];
    //$ else
  result[at] = value + add[at];
    //$ end
  //$ else
  result[at] = value;
  //$ end
//$ else
  for (var i = 0u; i < min(4, N - block * 4); i++) {
    let n = block * 4 + i;
    let at = (slice * uniforms.M + m) * N + n;
  //$ if ADD
    //$ if ADDROW
    result[at] = value[i] + add[n];
    //$ else
    result[at] = value[i] + add[at];
    //$ end
  //$ else
    result[at] = value[i];
  //$ end
  }
//$ end
}

@compute @workgroup_size($WX, $WY)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let M = uniforms.M;
  let N = uniforms.N;
  let K = uniforms.K;
  let column = group.x * $WX * $J + local.x;
  let row = (group.y * $WY + local.y) * $R;
  if (column * 4 >= N || row * 4 >= M) { return; }
  let first = group.z * uniforms.slice;
  let last = min(first + uniforms.slice, K);
//$ include TILE
//$ for r in R
  //$ for j in J
    //$ for i in FOUR
  put((row + $r) * 4 + $i, column + $j * STRIDE, c$r_$j[$i], group.z);
    //$ end
  //$ end
//$ end
}
