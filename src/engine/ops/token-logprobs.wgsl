// Log-probabilities without logits in memory. PARTIAL: each invocation multiplies its rows with a stretch of the
// vocabulary and keeps, for each row, the largest z, Σ e^(z − largest) and Σ e^(z − largest) (z − largest); LOGITS: and z itself,
// of a chunk whose stretches begin at `first`. Otherwise: dL/dlogits for a chunk of the vocabulary, from its token `first` on,
// which the caller multiplies with that chunk of the head.
// M rows, N tokens of the vocabulary or of the chunk, K the width.
struct Uniforms { M: u32, N: u32, K: u32, across: u32, steps: u32, first: u32, vocabulary: u32, inverse: f32 }

@group(0) @binding(0) var<storage, read_write> result: array<vec4f>; // [parts, M], or [M, N / 4]
//$ if PARTIAL
  //$ if LOGITS
@group(0) @binding(1) var<storage, read_write> logits: array<vec4f>; // [M, ⌈N / 4⌉]
@group(0) @binding(2) var<storage, read> hidden: array<$ELEMENT>;
@group(0) @binding(3) var<storage, read> head: array<$ELEMENT>;
@group(0) @binding(4) var<uniform> u: Uniforms;
  //$ else
@group(0) @binding(1) var<storage, read> hidden: array<$ELEMENT>;
@group(0) @binding(2) var<storage, read> head: array<$ELEMENT>;
@group(0) @binding(3) var<uniform> u: Uniforms;
  //$ end
//$ else
@group(0) @binding(1) var<storage, read> hidden: array<$ELEMENT>;
@group(0) @binding(2) var<storage, read> head: array<$ELEMENT>;
@group(0) @binding(3) var<storage, read> ids: array<i32>;
@group(0) @binding(4) var<storage, read> lse: array<f32>;
@group(0) @binding(5) var<storage, read> entropy: array<f32>;
@group(0) @binding(6) var<storage, read> dLogprobs: array<f32>;
@group(0) @binding(7) var<storage, read> dEntropy: array<f32>;
@group(0) @binding(8) var<uniform> u: Uniforms;
//$ end

//$ if MEMORY
var<workgroup> shared4: array<vec4f, $MEMORY>;
//$ end
fn a(at: u32) -> $ELEMENT { return hidden[at]; }
fn b(at: u32) -> $ELEMENT { return head[at]; }

//$ if PARTIAL
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = group.y * groups.x + group.x;
  let M = u.M;
  let N = u.N;
  let K = u.K;
  let stretch = at % u.across;
  let firstRow = at / u.across * $TM;
  let row = firstRow + local / $WX * $R;
//$ if ALONE
  if (row * 4 >= M) { return; }
//$ end
  let first = 0u;
  let last = K;
  //$ for r in R
    //$ for i in FOUR
  var most$r_$i = -1e30;
  var sum$r_$i = 0.0;
  var mean$r_$i = 0.0;
    //$ end
  //$ end
  for (var step = 0u; step < u.steps; step++) {
    let firstColumn = (stretch * u.steps + step) * $TN;
    let column = firstColumn + local % $WX;
  //$ for r in R
    //$ for j in J
    var c$r_$j = mat4x4f();
    //$ end
  //$ end
    {
//$ include TILE
    }
  //$ for j in J
    let inside$j = vec4u((column + $j * $WX) * 4) + vec4u(0, 1, 2, 3) < vec4u(N);
  //$ end
  //$ for r in R
    //$ for i in FOUR
    {
      var highest = most$r_$i;
      //$ for j in J
      let z$j = select(vec4f(-1e30), c$r_$j[$i] * u.inverse, inside$j);
      highest = max(highest, max(max(z$j.x, z$j.y), max(z$j.z, z$j.w)));
        //$ if LOGITS
      if ((row + $r) * 4 + $i < M && (column + $j * $WX) * 4 < N) {
        logits[((row + $r) * 4 + $i) * ((N + 3) / 4) + column + $j * $WX] = z$j;
      }
        //$ end
      //$ end
      let keep = exp(most$r_$i - highest);
      var sum = sum$r_$i * keep;
      var mean = (mean$r_$i + sum$r_$i * (most$r_$i - highest)) * keep;
      //$ for j in J
      let e$j = exp(z$j - highest);
      sum += dot(e$j, vec4f(1));
      mean += dot(e$j, z$j - highest);
      //$ end
      most$r_$i = highest;
      sum$r_$i = sum;
      mean$r_$i = mean;
    }
    //$ end
  //$ end
  }
  //$ for r in R
    //$ for i in FOUR
  if ((row + $r) * 4 + $i < M) {
    result[((u.first + stretch) * $WX + local % $WX) * M + (row + $r) * 4 + $i] = vec4f(most$r_$i, sum$r_$i, mean$r_$i, 0);
  }
    //$ end
  //$ end
}
//$ else

fn put(m: u32, block: u32, product: vec4f) {
  if (m >= u.M || block * 4 >= u.N) { return; }
  let v = vec4u(u.first + block * 4) + vec4u(0, 1, 2, 3);
  let logp = product * u.inverse - lse[m];
  let p = exp(logp);
  let picked = select(vec4f(0), vec4f(1), v == vec4u(u32(ids[m])));
  let slope = (dLogprobs[m] * (picked - p) - dEntropy[m] * p * (logp + entropy[m])) * u.inverse;
  result[m * (u.N / 4) + block] = select(vec4f(0), slope, v < vec4u(u.vocabulary));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = group.y * groups.x + group.x;
  let M = u.M;
  let N = u.N;
  let K = u.K;
  let firstColumn = at % u.across * $TN;
  let firstRow = at / u.across * $TM;
  let column = firstColumn + local % $WX;
  let row = firstRow + local / $WX * $R;
//$ if ALONE
  if (column * 4 >= N || row * 4 >= M) { return; }
//$ end
  let first = 0u;
  let last = K;
  //$ for r in R
    //$ for j in J
  var c$r_$j = mat4x4f();
    //$ end
  //$ end
  {
//$ include TILE
  }
  //$ for r in R
    //$ for j in J
      //$ for i in FOUR
  put((row + $r) * 4 + $i, column + $j * $WX, c$r_$j[$i]);
      //$ end
    //$ end
  //$ end
}
//$ end
