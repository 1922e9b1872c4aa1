// Turns each head's pairs of numbers by their angles; one invocation a number. SIGN −1 turns back: the gradient.
struct Uniforms { size: u32, width: u32, D: u32, half: u32, sign: f32 }

@group(0) @binding(0) var<storage, read_write> result: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>; // [N, H·D]
@group(0) @binding(2) var<storage, read> cosines: array<f32>; // [N, half]
@group(0) @binding(3) var<storage, read> sines: array<f32>;
@group(0) @binding(4) var<uniform> u: Uniforms;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= u.size) { return; }
  let d = at % u.D;
  if (d >= 2 * u.half) {
    result[at] = x[at];
    return;
  }
  let first = d < u.half;
  let angle = (at / u.width) * u.half + select(d - u.half, d, first);
  let other = select(at - u.half, at + u.half, first);
  let sine = select(sines[angle], -sines[angle], first) * u.sign;
  result[at] = x[at] * cosines[angle] + x[other] * sine;
}
