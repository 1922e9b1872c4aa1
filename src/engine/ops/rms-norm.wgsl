// RMSNorm, or its gradient with respect to x (GRAD).
struct Uniforms { N: u32, C: u32, eps: f32 }

@group(0) @binding(0) var<storage, read_write> result: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
//$ if GRAD
@group(0) @binding(3) var<storage, read> dy: array<f32>;
  //$ if ADD
@group(0) @binding(4) var<storage, read> add: array<f32>; // [N, C], to the gradient
@group(0) @binding(5) var<uniform> u: Uniforms;
  //$ else
@group(0) @binding(4) var<uniform> u: Uniforms;
  //$ end
//$ else
@group(0) @binding(3) var<uniform> u: Uniforms;
//$ end

//$ include ROW_SUMS

fn forRow(row: u32, local: u32) {
  let C = u.C;
  // Σ x² and Σ dy · gamma · x.
  var own = vec2f();
  for (var c = local; c < C; c += SIZE) {
    let value = x[row * C + c];
//$ if GRAD
    own += vec2f(value, dy[row * C + c] * gamma[c]) * value;
//$ else
    own.x += value * value;
//$ end
  }
  let means = total(own, local, 0) / f32(C);
  let scale = 1 / sqrt(means.x + u.eps);
  for (var c = local; c < C; c += SIZE) {
    let at = row * C + c;
//$ if GRAD
    let dx = scale * (dy[at] * gamma[c] - x[at] * scale * scale * means.y);
  //$ if ADD
    result[at] = add[at] + dx;
  //$ else
    result[at] = dx;
  //$ end
//$ else
    result[at] = x[at] * scale * gamma[c];
//$ end
  }
}
