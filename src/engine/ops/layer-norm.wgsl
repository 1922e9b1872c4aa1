// LayerNorm, or its gradient with respect to x (GRAD).
struct Uniforms { N: u32, C: u32, eps: f32 }

@group(0) @binding(0) var<storage, read_write> result: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> other: array<f32>; // beta [C], or dy [N, C]
//$ if ADD
@group(0) @binding(4) var<storage, read> add: array<f32>; // [N, C], to the gradient
@group(0) @binding(5) var<uniform> u: Uniforms;
//$ else
@group(0) @binding(4) var<uniform> u: Uniforms;
//$ end

//$ include ROW_SUMS

fn forRow(row: u32, local: u32) {
  let C = u.C;
  var sum = 0.0;
  for (var c = local; c < C; c += SIZE) { sum += x[row * C + c]; }
  let mean = total(vec2f(sum, 0), local, 0).x / f32(C);
  sum = 0;
  for (var c = local; c < C; c += SIZE) {
    let centred = x[row * C + c] - mean;
    sum += centred * centred;
  }
  let scale = 1 / sqrt(total(vec2f(sum, 0), local, 1).x / f32(C) + u.eps);
//$ if GRAD
  // dx = scale · (g − mean(g) − x̂ · mean(g · x̂)), g = dy · gamma.
  var both = vec2f();
  for (var c = local; c < C; c += SIZE) {
    let g = other[row * C + c] * gamma[c];
    both += vec2f(g, g * (x[row * C + c] - mean) * scale);
  }
  let means = total(both, local, 2) / f32(C);
  for (var c = local; c < C; c += SIZE) {
    let g = other[row * C + c] * gamma[c];
    let dx = scale * (g - means.x - (x[row * C + c] - mean) * scale * means.y);
  //$ if ADD
    result[row * C + c] = add[row * C + c] + dx;
  //$ else
    result[row * C + c] = dx;
  //$ end
  }
//$ else
  for (var c = local; c < C; c += SIZE) {
    result[row * C + c] = (x[row * C + c] - mean) * scale * gamma[c] + other[c];
  }
//$ end
}
