// One AdamW update in place, clipped by the norm that lies on the device. The host gives the products of its hyper-parameters that are constant over the tensor.
struct Uniforms {
  size: u32,
  limit: f32, // of the norm, 0 for none
  beta1: f32,
  rest1: f32, // 1 − beta1
  beta2: f32,
  rest2: f32,
  decay: f32, // 1 − learningRate · weightDecay
  learningRate: f32,
  correction1: f32, // 1 − beta1^step
  correction2: f32,
  eps: f32,
}

@group(0) @binding(0) var<storage, read_write> param: array<f32>;
@group(0) @binding(1) var<storage, read_write> m: array<f32>;
@group(0) @binding(2) var<storage, read_write> v: array<f32>;
@group(0) @binding(3) var<storage, read> grad: array<f32>;
@group(0) @binding(4) var<storage, read> squares: array<f32>; // of the whole gradient, one number
@group(0) @binding(5) var<uniform> u: Uniforms;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64 + local;
  if (i >= u.size) { return; }
  if ((bitcast<u32>(squares[0]) & 0x7f800000) == 0x7f800000) { return; } // not finite
  let clipped = select(1, min(1, u.limit / (sqrt(squares[0]) + 1e-6)), u.limit > 0);
  let g = grad[i] * clipped;
  let m1 = m[i] * u.beta1 + g * u.rest1;
  let v1 = v[i] * u.beta2 + g * g * u.rest2;
  m[i] = m1;
  v[i] = v1;
  let step = (m1 / u.correction1) / (sqrt(v1 / u.correction2) + u.eps);
  param[i] = param[i] * u.decay - step * u.learningRate;
}
